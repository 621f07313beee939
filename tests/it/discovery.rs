//! Servers that are found in a Kubernetes cluster: the API server is played, all else is real.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::{
    Answer, Catalog, Cluster, Era, Gateway, Legacy, Modern, Upstream, Wire, config, names, service, soon, tool, until,
};

const LISTENED: &str = r#""notifications":{"toolsListChanged":true}"#;
const CHANGED: &str = "notifications/tools/list_changed";

/// A cluster, and the folder with the token for it.
struct Stage {
    cluster: Cluster,
    folder: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let (cluster, folder) = (Cluster::start().await, TempDir::new().unwrap());
        let stage = Self { cluster, folder };
        stage.has_token("one");
        stage
    }

    fn has_token(&self, token: &str) {
        fs::write(self.folder.path().join("token"), format!("{token}\n")).unwrap();
    }

    /// A configuration that finds servers, beside those that it names.
    fn config(&self, servers: &[(&str, &Upstream)], more: Value) -> Value {
        let mut config = config(servers);
        config["endpoints"]["/mcp"]["names"] = "auto".into();
        let mut own = json!({
            "apiServer": self.cluster.url, "tokenFile": self.folder.path().join("token"),
            "timeout": "1s", "watchTimeout": "1m", "namespaces": ["tools"],
        });
        for (key, value) in more.as_object().unwrap() {
            own[key] = value.clone();
        }
        config["discovery"] = json!({ "kubernetes": own });
        config
    }
}

async fn offering(era: Era, name: &str) -> Upstream {
    Upstream::offering(era, Wire::Http, Catalog { tools: vec![tool(name)], ..Catalog::default() }).await
}

fn port(upstream: &Upstream) -> u16 {
    upstream.address().rsplit(':').next().unwrap().parse().unwrap()
}

async fn listed(gateway: &Gateway) -> Vec<String> {
    names(&Modern::of(gateway).send(1, "tools/list", "").await.response().await, "tools")
}

/// Waits until these are the tools.
async fn lists(gateway: &Gateway, expected: &[&str]) {
    let wait = async {
        while listed(gateway).await != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(&format!("{expected:?} are listed"), wait).await;
}

/// One notice that the tools changed, and no second one.
async fn is_told_once(stream: &mut Answer) {
    while soon("a change is told", stream.message()).await["method"] != CHANGED {}
    let more = tokio::time::timeout(Duration::from_millis(500), stream.message()).await;
    assert!(!more.is_ok_and(|more| more["method"] == CHANGED), "one notice is enough");
}

#[tokio::test]
async fn a_service_that_comes_changes_and_goes_is_told_once_to_live_clients_of_both_eras() {
    let stage = Stage::new().await;
    let (named, first, second) =
        (offering(Era::Modern, "n").await, offering(Era::Modern, "a").await, offering(Era::Legacy, "b").await);
    stage.cluster.put(service("tools", "first", port(&first), json!({})));
    stage.cluster.put(service("other", "hidden", port(&second), json!({})));
    let gateway = Gateway::start(stage.config(&[("named", &named)], json!({}))).await;
    // What there is at the start is there with the first request, and names have a prefix from the first server on.
    assert_eq!(listed(&gateway).await, ["named__n", "first__a"]);
    gateway.metric("myelin_discovered_servers", "1").await;
    gateway.metric("myelin_discovery_up", "1").await;
    let legacy = Legacy::open(&gateway).await;
    let mut own = legacy.stream(None).await;
    let mut listening = Modern::of(&gateway).send(7, "subscriptions/listen", LISTENED).await;
    listening.message().await;
    let connections = first.count("server/discover");

    // A call in flight survives all that follows.
    first.takes("tools/call");
    let running = Modern::of(&gateway).begin_call(9, "first__a", "{}").await;
    let mut call = first.take("tools/call").await;

    stage.cluster.put(service("tools", "second", port(&second), json!({ "myelin.dev/era": "legacy" })));
    is_told_once(&mut listening).await;
    is_told_once(&mut own).await;
    assert_eq!(listed(&gateway).await, ["named__n", "first__a", "second__b"]);
    assert_eq!(names(&legacy.send(2, "tools/list", "").await.response().await, "tools").len(), 3);
    assert_eq!(first.count("server/discover"), connections, "a server that did not change goes on");

    stage.cluster.put(service("tools", "second", port(&second), json!({ "myelin.dev/name": "other" })));
    is_told_once(&mut listening).await;
    assert_eq!(listed(&gateway).await, ["named__n", "first__a", "other__b"]);

    stage.cluster.remove("tools", "first");
    is_told_once(&mut listening).await;
    assert_eq!(listed(&gateway).await, ["named__n", "other__b"]);
    let gone = Modern::of(&gateway).call(10, "first__a", "{}").await.response().await;
    assert!(gone["error"]["code"].is_i64(), "{gone}");
    call.text_result("done").await;
    let done = soon("the call ends", running.answer()).await.response().await;
    assert_eq!(done["result"]["content"][0]["text"], "done", "{done}");
    gateway.stop().await;
}

#[tokio::test]
async fn many_changes_at_once_are_told_once() {
    let stage = Stage::new().await;
    let upstream = offering(Era::Modern, "a").await;
    let gateway = Gateway::start(stage.config(&[("named", &upstream)], json!({}))).await;
    assert_eq!(listed(&gateway).await, ["named__a"]);
    let mut listening = Modern::of(&gateway).send(7, "subscriptions/listen", LISTENED).await;
    listening.message().await;
    for number in 0..20 {
        stage.cluster.put(service("tools", &format!("s{number:02}"), port(&upstream), json!({})));
    }
    is_told_once(&mut listening).await;
    assert_eq!(listed(&gateway).await.len(), 21);
}

#[tokio::test]
async fn a_service_that_says_something_wrong_is_left_out_alone_and_named() {
    let stage = Stage::new().await;
    let upstream = offering(Era::Modern, "a").await;
    stage.cluster.put(service("tools", "good", port(&upstream), json!({})));
    stage.cluster.put(service("tools", "bad", port(&upstream), json!({ "myelin.dev/pth": "/mcp" })));
    let gateway = Gateway::start(stage.config(&[], json!({}))).await;
    assert_eq!(listed(&gateway).await, ["good__a"]);
    gateway.metric("myelin_discovery_left_out", "1").await;
    let said = "`myelin.dev/pth` is no annotation; did you mean `myelin.dev/path`?";
    let (_, ready) = gateway.admin("/readyz").await;
    assert!(ready.contains("tools/bad") && ready.contains(said), "{ready}");
    let log = gateway.log();
    assert_eq!(log.lines().filter(|line| line.contains("tools/bad") && line.contains(said)).count(), 1, "{log}");
    stage.cluster.put(service("tools", "bad", port(&upstream), json!({ "myelin.dev/path": "/mcp" })));
    lists(&gateway, &["bad__a", "good__a"]).await;
    gateway.metric("myelin_discovery_left_out", "0").await;
}

#[tokio::test]
async fn only_what_names_a_template_of_its_namespace_gets_its_credential() {
    let stage = Stage::new().await;
    let (trusted, plain) = (offering(Era::Modern, "a").await, offering(Era::Modern, "b").await);
    let template = json!({ "myelin.dev/template": "secret" });
    stage.cluster.put(service("tools", "trusted", port(&trusted), template.clone()));
    stage.cluster.put(service("tools", "plain", port(&plain), json!({})));
    stage.cluster.put(service("other", "thief", port(&plain), template));
    let templates = json!({ "secret": { "namespaces": ["tools"], "headers": { "x-key": "k" } } });
    let gateway =
        Gateway::start(stage.config(&[], json!({ "namespaces": ["tools", "other"], "templates": templates }))).await;
    assert_eq!(listed(&gateway).await, ["plain__b", "trusted__a"]);
    assert!(trusted.headers("x-key").contains(&Some("k".to_owned())));
    assert_eq!(plain.headers("x-key"), [None].into());
    let host = trusted.headers("host");
    assert_eq!(host, [Some(format!("trusted.tools.svc:{}", port(&trusted)))].into(), "it is called by its own name");
    let (_, ready) = gateway.admin("/readyz").await;
    assert!(ready.contains("other/thief") && ready.contains("not for this namespace"), "{ready}");
}

#[tokio::test]
async fn as_many_as_may_be_are_served_the_oldest_first_and_not_one_more() {
    let stage = Stage::new().await;
    let upstream = offering(Era::Modern, "a").await;
    let aged = |name: &str, day: usize| {
        let mut service = service("tools", name, port(&upstream), json!({}));
        service["metadata"]["creationTimestamp"] = format!("2026-01-{day:02}T00:00:00Z").into();
        service
    };
    stage.cluster.put(aged("c", 1));
    stage.cluster.put(aged("b", 2));
    let gateway = Gateway::start(stage.config(&[], json!({ "maxServers": 2 }))).await;
    assert_eq!(listed(&gateway).await, ["b__a", "c__a"]);
    stage.cluster.put(aged("a", 3));
    stage.cluster.bookmark();
    // One that goes makes room for the one that there was none for.
    stage.cluster.remove("tools", "c");
    lists(&gateway, &["a__a", "b__a"]).await;
    // An older one has its place before a younger.
    stage.cluster.put(aged("d", 1));
    lists(&gateway, &["b__a", "d__a"]).await;
}

/// What goes wrong between the gateway and the API server.
#[tokio::test]
async fn whatever_happens_to_the_watch_what_is_known_stays_and_what_follows_is_heard() {
    let stage = Stage::new().await;
    let upstream = offering(Era::Modern, "a").await;
    stage.cluster.put(service("tools", "s0", port(&upstream), json!({})));
    let gateway = Gateway::start(stage.config(&[], json!({ "watchTimeout": "2s", "timeout": "1s" }))).await;
    let mut known = vec!["s0__a".to_owned()];
    assert_eq!(listed(&gateway).await, known);
    type Happens = (&'static str, fn(&Stage));
    let all: [Happens; 8] = [
        ("it is broken off", |stage| stage.cluster.hangs_up()),
        ("what is known is too old", |stage| {
            stage.cluster.bookmark();
            stage.cluster.forgets();
        }),
        ("it is no JSON", |stage| stage.cluster.says("{\"type\": nonsense\n")),
        ("it is JSON of another kind", |stage| stage.cluster.says("[1,2,3]\n")),
        ("a line has no end", |stage| stage.cluster.says(vec![b'x'; 5 << 20])),
        ("it falls silent", |stage| {
            stage.cluster.falls_silent();
            stage.cluster.bookmark();
        }),
        ("the token is another", |stage| {
            stage.cluster.takes("two");
            stage.has_token("two");
        }),
        ("it fails", |stage| stage.cluster.answers(Some(500))),
    ];
    for (number, (what, happen)) in all.into_iter().enumerate() {
        until("it is watched", || stage.cluster.asked("watch=true") > 0).await;
        let asked = stage.cluster.asked("GET");
        happen(&stage);
        until(what, || stage.cluster.asked("GET") > asked).await;
        assert_eq!(listed(&gateway).await, known, "{what}: what is known stays");
        stage.cluster.answers(None);
        let name = format!("s{}", number + 1);
        stage.cluster.put(service("tools", &name, port(&upstream), json!({})));
        known.push(format!("{name}__a"));
        lists(&gateway, &known.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    gateway.metric("myelin_discovery_up", "1").await;
}

#[tokio::test]
async fn a_gateway_starts_without_its_api_server_and_finds_servers_when_it_is_there() {
    let stage = Stage::new().await;
    let upstream = offering(Era::Modern, "a").await;
    stage.cluster.put(service("tools", "first", port(&upstream), json!({})));
    stage.cluster.answers(Some(403));
    let gateway = Gateway::start(stage.config(&[], json!({}))).await;
    assert_eq!(listed(&gateway).await, Vec::<String>::new());
    let (status, ready) = gateway.admin("/readyz").await;
    assert!(status == 200 && ready.contains("may not list and watch services"), "{status} {ready}");
    stage.cluster.answers(None);
    lists(&gateway, &["first__a"]).await;
    // Another configuration goes on with what is known, and no longer with what it does not look for.
    gateway.rewrite(stage.config(&[], json!({ "maxServers": 7 })));
    gateway.metric("myelin_config_reloads_total{result=\"ok\"}", "1").await;
    assert_eq!(listed(&gateway).await, ["first__a"]);
    gateway.rewrite(config(&[("up", &upstream)]));
    lists(&gateway, &["a"]).await;
}
