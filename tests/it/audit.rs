//! The audit log of the real gateway: each call has a line, the chain holds, and nothing secret is in it.

use std::{fs, path::Path, process::Command};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kit::{Client, Era, Gateway, Legacy, Modern, Upstream, Wire, config, request, until};

const ALICE: &str = "tok-alice-0123456789";
const CANARY: &str = "canary-7f3b9a";

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Waits for a line, and answers with it.
async fn line(file: &Path, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    until(what, || lines(file).iter().any(&is_it)).await;
    lines(file).into_iter().find(is_it).unwrap()
}

/// What `myelin audit verify` says, and its exit code.
fn verify(file: &Path) -> (Value, Option<i32>) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_myelin")).args(["audit", "verify", "--json"]).arg(file).output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

/// Calls a tool of the server, which answers.
async fn call(upstream: &Upstream, client: &Modern, tool: &str, arguments: &str) {
    let answer = async { upstream.take("tools/call").await.text_result("done").await };
    let (called, ()) = tokio::join!(client.call(1, tool, arguments), answer);
    assert_eq!(called.response().await["result"]["content"][0]["text"], "done");
}

fn audited(upstream: &Upstream, folder: &Path, audit: Value) -> Value {
    let mut settings = config(&[("up", upstream)]);
    settings["audit"] = json!({ "file": folder.join("audit.jsonl"), "sync": "0s" });
    for (key, value) in audit.as_object().unwrap() {
        settings["audit"][key] = value.clone();
    }
    settings
}

#[tokio::test]
async fn each_call_of_both_eras_has_a_line_that_says_who_did_what_and_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = audited(&upstream, folder.path(), json!({}));
    settings["auth"] = json!({ "apiKeys": [{ "id": "alice", "token": ALICE, "groups": ["staff"] }] });
    settings["anonymous"] = json!("allow");
    settings["mcpServers"]["up"]["tools"] = json!({ "rename": { "echo": "say" } });
    let gateway = Gateway::start(settings).await;

    let arguments = format!(r#"{{ "text": "{CANARY}" }}"#);
    call(&upstream, &Modern::of(&gateway).bearing(ALICE), "say", &arguments).await;
    let called = line(&file, "the modern call's line", |line| line["era"] == "modern").await;
    assert_eq!(
        (&called["event"], &called["method"], &called["target"], &called["own_name"], &called["server"]),
        (&json!("call"), &json!("tools/call"), &json!("say"), &json!("echo"), &json!("up"))
    );
    assert_eq!(called["principal"], json!({ "id": "alice", "kind": "api_key", "groups": ["staff"] }));
    assert_eq!(
        (&called["outcome"], &called["status"], &called["address"]),
        (&json!("ok"), &json!(200), &json!("127.0.0.1"))
    );
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, arguments.as_bytes());
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(called["arguments_sha256"], digest, "of the very bytes");

    let legacy = Legacy::open(&gateway).await;
    assert_eq!(legacy.call(2, "nothing", "{}").await.response().await["error"]["code"], -32602);
    let missed = line(&file, "the legacy call's line", |line| line["era"] == "legacy").await;
    assert_eq!((&missed["outcome"], &missed["target"]), (&json!("not_found"), &json!("nothing")));
    assert_eq!(missed["principal"], json!({ "id": "anonymous", "kind": "anonymous" }));
    assert_eq!(missed["session"].as_str().map(str::len), Some(16));

    let refused = Client::exchange(
        &gateway.address,
        &request("POST", "/mcp", &[("authorization", "Bearer wrong-wrong-wrong")], b"{}"),
    )
    .await;
    assert_eq!(refused.status, 401);
    let line_of = line(&file, "the refusal's line", |line| line["event"] == "refused").await;
    assert_eq!((&line_of["status"], &line_of["endpoint"]), (&json!(401), &json!("/mcp")));

    gateway.stop().await;
    let (report, code) = verify(&file);
    assert_eq!(
        (code, &report["holds"], &report["closed"], &report["lost"]),
        (Some(0), &json!(true), &json!(true), &json!(0))
    );
    let text = fs::read_to_string(&file).unwrap();
    for secret in [CANARY, ALICE, "wrong-wrong"] {
        assert!(!text.contains(secret), "{secret}");
    }
    fs::write(&file, text.replacen("not_found", "ok", 1)).unwrap();
    let (report, code) = verify(&file);
    assert_eq!(
        (code, report["broken"]["what"].as_str()),
        (Some(1), Some("the line was changed, or made with another key"))
    );
}

#[tokio::test]
async fn arguments_are_kept_as_the_rules_say() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let rules = json!({ "arguments": [{ "match": "echo", "record": "redacted", "redact": ["pin"] }] });
    let gateway = Gateway::start(audited(&upstream, folder.path(), rules)).await;
    let arguments = format!(r#"{{ "text": "hello", "pin": "{CANARY}" }}"#);
    call(&upstream, &Modern::of(&gateway), "echo", &arguments).await;
    let called = line(&file, "the call's line", |line| line["event"] == "call").await;
    assert_eq!(called["arguments"], json!({ "text": "hello", "pin": "[redacted]" }));
    gateway.stop().await;
    assert!(!fs::read_to_string(&file).unwrap().contains(CANARY));
}

#[tokio::test]
async fn a_gateway_that_was_killed_goes_on_with_its_chain_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    for run in 1..=2 {
        let mut gateway = Gateway::start(audited(&upstream, folder.path(), json!({}))).await;
        call(&upstream, &Modern::of(&gateway), "echo", "{}").await;
        until("the call's line", || lines(&file).iter().filter(|line| line["event"] == "call").count() == run).await;
        gateway.signal(Signal::KILL);
        gateway.exited().await;
    }
    // The kill came in the middle of a line.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, &text[..text.len() - 20]).unwrap();
    let gateway = Gateway::start(audited(&upstream, folder.path(), json!({}))).await;
    gateway.stop().await;
    let (report, code) = verify(&file);
    assert_eq!((code, &report["closed"]), (Some(0), &json!(true)), "{report}");
    let events: Vec<Value> = lines(&file).iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["start", "call", "start", "torn", "start", "stop"]);
}

#[tokio::test]
async fn where_nothing_is_to_be_done_without_a_line_calls_are_refused_while_none_can_be_written() {
    // A device that is always full.
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = audited(&upstream, folder.path(), json!({ "onLoss": "refuse" }));
    settings["audit"]["file"] = json!("/dev/full");
    let gateway = Gateway::start(settings).await;
    gateway.metric("myelin_audit_failing", "1").await;
    let answer = Modern::of(&gateway).call(1, "echo", "{}").await;
    assert_eq!(answer.header("retry-after"), Some("1"));
    answer.refused(503, 1008).await;
    let legacy = Legacy::open(&gateway).await;
    assert_eq!(legacy.call(2, "echo", "{}").await.response().await["error"]["code"], 1008);
    assert_eq!(upstream.count("tools/call"), 0, "nothing was done");
    let (status, ready) = gateway.admin("/readyz").await;
    assert!(
        status == 200 && ready.contains(r#"{"audit":"/dev/full","problem":"cannot be written: calls are refused"}"#),
        "{ready}"
    );
}

#[tokio::test]
async fn what_is_refused_at_the_door_and_what_has_no_answer_have_lines_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = audited(&upstream, folder.path(), json!({}));
    settings["auth"] = json!({ "apiKeys": [{ "id": "alice", "token": ALICE }] });
    settings["limits"] = json!([{ "per": "principal", "rate": "2/h" }]);
    let gateway = Gateway::start(settings).await;
    for (name, value) in [("origin", "https://evil.example"), ("host", "evil.example")] {
        let headers = [("content-type", "application/json"), (name, value)];
        let refused = Client::exchange(&gateway.address, &request("POST", "/mcp", &headers, b"{}")).await;
        assert_eq!(refused.status, 403, "{name}");
    }
    until("both have a line", || lines(&file).iter().filter(|line| line["status"] == 403).count() == 2).await;
    let at_the_door = line(&file, "a refusal at the door", |line| line["status"] == 403).await;
    assert_eq!(
        (&at_the_door["event"], &at_the_door["endpoint"], &at_the_door["method"], &at_the_door["address"]),
        (&json!("refused"), &json!("/mcp"), &json!("POST"), &json!("127.0.0.1"))
    );
    let client = Legacy::open_bearing(&gateway, ALICE, r#"{"roots":{"listChanged":true}}"#).await;
    let told = client.post(r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#).await;
    let again = client.post(r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#).await;
    assert!(told.status == 429 || again.status == 429, "{} {}", told.status, again.status);
    let refused = line(&file, "the notification's line", |line| line["status"] == 429).await;
    assert_eq!(
        (&refused["event"], &refused["method"], &refused["principal"]["id"]),
        (&json!("refused"), &json!("notifications/roots/list_changed"), &json!("alice"))
    );
}

#[tokio::test]
async fn a_legacy_session_that_is_opened_or_refused_has_a_line_where_discovery_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = audited(&upstream, folder.path(), json!({ "calls": "all" }));
    settings["sessions"] = json!({ "max": 1 });
    let gateway = Gateway::start(settings).await;
    let _session = Legacy::open(&gateway).await;
    let refused = Legacy::try_open(&gateway).await;
    assert!(!refused.response().await["error"].is_null());
    let of = |outcome: &'static str| move |line: &Value| line["method"] == "initialize" && line["outcome"] == outcome;
    let opened = line(&file, "the opened session's line", of("ok")).await;
    assert_eq!((&opened["event"], &opened["era"], &opened["status"]), (&json!("call"), &json!("legacy"), &json!(200)));
    assert_eq!((opened["session"].as_str().map(str::len), &opened["endpoint"]), (Some(16), &json!("/mcp")));
    line(&file, "the refused session's line", of("limited")).await;
}

#[tokio::test]
async fn what_an_operator_changes_has_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::start(audited(&upstream, folder.path(), json!({}))).await;
    let mut revoke = tokio::process::Command::new(env!("CARGO_BIN_EXE_myelin"));
    revoke.args(["connections", "--admin", &gateway.admin, "revoke", "alice", "up"]);
    assert_eq!(crate::kit::soon("the command ends", revoke.output()).await.unwrap().status.code(), Some(1));
    let told = line(&file, "the operator's line", |line| line["event"] == "admin").await;
    assert_eq!(told["detail"], json!({ "action": "revoke", "principal": "alice", "server": "up", "done": false }));
    let mut restart = tokio::process::Command::new(env!("CARGO_BIN_EXE_myelin"));
    restart.args(["restart", "--admin", &gateway.admin, "up"]);
    assert!(crate::kit::soon("the command ends", restart.output()).await.unwrap().status.success());
    let told = line(&file, "the restart's line", |line| line["detail"]["action"] == "restart").await;
    assert_eq!(told["detail"], json!({ "action": "restart", "server": "up", "done": true }));
}
