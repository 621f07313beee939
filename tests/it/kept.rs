//! Lists that outlive a restart: sealed in `stateDir`, answered with before a server runs, and never read for another principal.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::{Catalog, Era, Gateway, Modern, Upstream, Wire, config, names, soon, tool, until};

const ALICE: &str = "canary-alice-0123456789";
const BOB: &str = "canary-bob-0123456789";
const LISTEN: &str = r#""notifications":{"toolsListChanged":true}"#;

fn keeping(mut settings: Value, folder: &TempDir) -> Value {
    settings["stateDir"] = json!(folder.path());
    // A program's is that of its configuration, and each gateway of these tests has one of its own.
    for server in settings["mcpServers"].as_object_mut().unwrap().values_mut().filter(|server| server["url"].is_null())
    {
        server["cwd"] = json!("/");
    }
    settings["sealing"] = json!({ "keys": ["a key for tests that is long enough to be one"] });
    settings
}

async fn server(era: Era, wire: Wire) -> Upstream {
    let tools = ["seen", "hidden"].map(tool).into();
    Upstream::offering(era, wire, Catalog { tools, ttl_ms: 60_000, scope: "private", ..Catalog::default() }).await
}

/// It does not answer any more.
fn hang(upstream: &Upstream) {
    for method in ["server/discover", "initialize", "tools/list"] {
        upstream.takes(method);
    }
}

async fn list(client: &Modern) -> Value {
    client.send(1, "tools/list", "").await.response().await
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let found = fs::read_dir(folder.join("catalogs")).unwrap();
    found.map(|entry| entry.unwrap().path()).collect()
}

/// A gateway that has listed once.
async fn listed_once(settings: Value) -> Gateway {
    let gateway = Gateway::start(settings).await;
    let listed = list(&Modern::of(&gateway)).await;
    assert!(listed["result"]["_meta"].get("myelin/missing").is_none(), "{listed}");
    gateway
}

#[tokio::test]
async fn what_a_server_listed_is_there_after_a_restart_before_the_server_is() {
    for (era, wire) in [(Era::Modern, Wire::Http), (Era::Legacy, Wire::Http), (Era::Legacy, Wire::Stdio)] {
        let folder = tempfile::tempdir().unwrap();
        let upstream = server(era, wire).await;
        let settings = keeping(config(&[("up", &upstream)]), &folder);
        let gateway = listed_once(settings.clone()).await;
        until("it is written", || !files(folder.path()).is_empty()).await;
        for path in files(folder.path()) {
            let text = fs::read_to_string(path).unwrap();
            assert!(!text.contains("seen") && !text.contains("tools"), "it is sealed: {text}");
        }
        hang(&upstream);
        let gateway = gateway.again(settings).await;
        let client = Modern::of(&gateway);
        let listed = soon("a list", list(&client)).await;
        assert_eq!(names(&listed, "tools"), ["seen", "hidden"], "{era:?} {wire:?} {listed}");
        assert!(listed["result"]["_meta"]["myelin/stale"]["up"].is_string(), "{listed}");
        gateway.metric(r#"myelin_upstream_lists_total{server="up",source="persisted"}"#, "1").await;
        let offered = client.send(1, "server/discover", "").await.response().await;
        assert!(offered["result"]["capabilities"]["prompts"].is_object(), "{offered}");
        for method in ["server/discover", "initialize", "tools/list"] {
            upstream.leaves(method);
        }
    }
}

#[tokio::test]
async fn what_changed_over_a_restart_is_told_when_it_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = server(Era::Modern, Wire::Http).await;
    let settings = keeping(config(&[("up", &upstream)]), &folder);
    let gateway = listed_once(settings.clone()).await;
    upstream.takes("tools/list");
    let gateway = gateway.again(settings).await;
    let client = Modern::of(&gateway);
    let mut stream = client.send(1, "subscriptions/listen", LISTEN).await;
    assert_eq!(stream.message().await["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(names(&list(&client).await, "tools"), ["seen", "hidden"]);
    let page = format!(r#"{{"tools":[{}],"resultType":"complete","ttlMs":60000,"cacheScope":"private"}}"#, tool("new"));
    upstream.take("tools/list").await.result(&page).await;
    assert_eq!(stream.message().await["method"], "notifications/tools/list_changed");
    assert_eq!(names(&list(&client).await, "tools"), ["new"]);
}

#[tokio::test]
async fn what_is_kept_is_offered_by_the_rules_of_now_and_of_the_same_server_only() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = server(Era::Modern, Wire::Http).await;
    let mut settings = keeping(config(&[("up", &upstream)]), &folder);
    settings["lists"] = json!({ "deadline": "300ms" });
    let gateway = listed_once(settings.clone()).await;
    hang(&upstream);
    settings["mcpServers"]["up"]["tools"] = json!({ "deny": ["hidden"], "rename": { "seen": "renamed" } });
    let gateway = gateway.again(settings.clone()).await;
    assert_eq!(names(&list(&Modern::of(&gateway)).await, "tools"), ["renamed"]);
    settings["mcpServers"]["up"]["headers"] = json!({ "X-Account": "another" });
    let gateway = gateway.again(settings).await;
    let listed = list(&Modern::of(&gateway)).await;
    assert_eq!(listed["result"]["_meta"]["myelin/missing"], json!(["up"]), "it is another server now: {listed}");
}

#[tokio::test]
async fn what_one_principal_was_listed_is_not_there_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = server(Era::Legacy, Wire::Http).await;
    let mut settings = keeping(config(&[("up", &upstream)]), &folder);
    settings["lists"] = json!({ "deadline": "300ms" });
    settings["auth"] = json!({ "apiKeys": [
        { "id": "alice", "token": ALICE }, { "id": "bob", "token": BOB },
    ] });
    let gateway = Gateway::start(settings.clone()).await;
    assert_eq!(names(&list(&Modern::of(&gateway).bearing(ALICE)).await, "tools"), ["seen", "hidden"]);
    hang(&upstream);
    let gateway = gateway.again(settings).await;
    assert_eq!(names(&list(&Modern::of(&gateway).bearing(ALICE)).await, "tools"), ["seen", "hidden"]);
    let listed = list(&Modern::of(&gateway).bearing(BOB)).await;
    assert_eq!((names(&listed, "tools").len(), &listed["result"]["_meta"]["myelin/missing"]), (0, &json!(["up"])));
}

#[tokio::test]
async fn files_that_cannot_be_read_are_said_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = server(Era::Modern, Wire::Http).await;
    let settings = keeping(config(&[("up", &upstream)]), &folder);
    listed_once(settings.clone()).await.stop().await;
    let whole = fs::read(&files(folder.path())[0]).unwrap();
    for bad in [b"nonsense".to_vec(), Vec::new(), whole[..whole.len() / 2].to_vec()] {
        fs::write(&files(folder.path())[0], bad).unwrap();
        let gateway = Gateway::start(settings.clone()).await;
        until("it is said", || gateway.log().contains("no lists that can be read")).await;
        assert_eq!(names(&list(&Modern::of(&gateway)).await, "tools"), ["seen", "hidden"]);
        until("it is written anew", || files(folder.path()).len() == 1).await;
        gateway.stop().await;
    }
}

/// So many programs that start when they are used.
fn sleepers(count: usize, folder: &TempDir) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers/lister.py");
    let entry = json!({ "command": "python3", "args": ["-IS", script], "cwd": "/", "start": "lazy", "era": "legacy" });
    let servers: serde_json::Map<_, _> = (0..count).map(|number| (format!("s{number}"), entry.clone())).collect();
    let mut settings = keeping(config(&[]), folder);
    settings["mcpServers"] = servers.into();
    settings["endpoints"]["/mcp"]["names"] = json!("prefixed");
    settings["lists"] = json!({ "deadline": "2m" });
    settings
}

fn running(gateway: &Gateway) -> usize {
    gateway.processes().iter().filter(|line| line.contains("lister.py") && !line.contains("guard")).count()
}

#[tokio::test]
async fn a_hundred_lazy_servers_are_listed_within_a_second_of_a_restart_and_none_of_them_runs() {
    let folder = tempfile::tempdir().unwrap();
    let settings = sleepers(100, &folder);
    let gateway = Gateway::start(settings.clone()).await;
    let listed = tokio::time::timeout(Duration::from_secs(120), list(&Modern::of(&gateway))).await.unwrap();
    assert_eq!(names(&listed, "tools").len(), 100, "{}", listed["result"]["_meta"]);
    let gateway = gateway.again(settings).await;
    let began = myelin::clock::now();
    let client = Modern::of(&gateway);
    let mut stream = client.send(1, "subscriptions/listen", LISTEN).await;
    assert_eq!(stream.message().await["method"], "notifications/subscriptions/acknowledged");
    let listed = list(&client).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(names(&listed, "tools").len(), 100, "{}", listed["result"]["_meta"]);
    client.send(1, "server/discover", "").await.response().await;
    client.call(1, "nobody", "{}").await.refused(200, -32602).await;
    assert_eq!(running(&gateway), 0, "{:?}", gateway.processes());
    let called = client.call(1, "s7__echo", "{}").await.response().await;
    assert_eq!(called["result"]["content"][0]["text"], "here", "{called}");
    assert_eq!(running(&gateway), 1, "{:?}", gateway.processes());
}
