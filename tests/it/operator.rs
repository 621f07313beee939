//! The operator's hands: the real commands against a real gateway.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::kit::{Era, Gateway, Modern, Upstream, Wire, config, soon, until};

/// What a command printed, and its exit code.
async fn run(gateway: &Gateway, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = soon("the command ends", command(gateway, arguments).output()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

fn command(gateway: &Gateway, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_myelin"));
    command.args(arguments).args(["--admin", &gateway.admin]).kill_on_drop(true);
    command
}

async fn server(gateway: &Gateway, name: &str) -> Value {
    let (out, err, _) = run(gateway, &["servers", name, "--json"]).await;
    let answer: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    answer["servers"][0].clone()
}

fn follow(gateway: &Gateway, server: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = command(gateway, &["logs", server, "-f"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// A server that prints before it begins, and its own settings.
fn talkative(upstream: &Upstream) -> Value {
    let mut settings = config(&[("up", upstream)]);
    let relay = upstream.entry()["args"][0].as_str().unwrap().to_owned();
    let script = format!("echo \"began as $$\" >&2; exec python3 {relay}");
    settings["mcpServers"]["up"]["command"] = json!("sh");
    settings["mcpServers"]["up"]["args"] = json!(["-c", script]);
    settings["mcpServers"]["up"]["pool"] = json!({ "isolation": "shared" });
    settings
}

#[tokio::test]
async fn servers_are_told_with_their_children_and_what_is_in_flight() {
    let (up, remote) = (Upstream::new(Era::Modern, Wire::Stdio).await, Upstream::new(Era::Legacy, Wire::Http).await);
    let mut settings = talkative(&up);
    settings["mcpServers"]["remote"] = remote.entry();
    settings["mcpServers"]["dead"] = json!({ "command": "/no/such/program" });
    let gateway = Gateway::start(settings).await;
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let mut arrived = up.take("tools/call").await;
    let told = server(&gateway, "up").await;
    assert_eq!((&told["state"], &told["era"], &told["wire"]), (&json!("ready"), &json!("modern"), &json!("stdio")));
    assert_eq!((&told["target"], &told["inFlight"], &told["sandboxed"]), (&json!("sh"), &json!(1), &json!(false)));
    let child = &told["connections"][0];
    assert_eq!((&child["inFlight"], &child["sharedBy"]), (&json!(1), &json!("everybody")));
    assert!(std::path::Path::new(&format!("/proc/{}", child["pid"])).exists(), "{told}");
    arrived.text_result("done").await;
    call.answer().await.response().await;
    assert_eq!(server(&gateway, "up").await["inFlight"], 0);
    let remote = server(&gateway, "remote").await;
    assert_eq!(
        (&remote["breaker"], &remote["replicas"][0]["condition"]),
        (&json!("closed"), &json!("healthy")),
        "{remote}"
    );
    let dead = server(&gateway, "dead").await;
    assert_eq!((&dead["state"], &dead["lastError"]["error"]), (&json!("backing_off"), &json!("cannot be reached")));
    let (table, _, code) = run(&gateway, &["servers"]).await;
    assert_eq!(code, Some(69), "one does not answer");
    assert!(table.starts_with("SERVER ") && table.contains("dead cannot be reached"), "{table}");
    let (_, err, code) = run(&gateway, &["servers", "remoet"]).await;
    assert!(err.contains("did you mean `remote`?") && code == Some(64), "{err}");
}

#[tokio::test]
async fn a_restart_waits_for_the_calls_of_the_old_child_while_a_new_one_takes_new_calls() {
    let up = Upstream::new(Era::Modern, Wire::Stdio).await;
    let gateway = Gateway::start(talkative(&up)).await;
    let modern = Modern::of(&gateway);
    let old_call = modern.begin_call(1, "echo", "{}").await;
    let mut old = up.take("tools/call").await;
    let before = server(&gateway, "up").await["connections"][0]["pid"].clone();
    let restart = command(&gateway, &["restart", "up", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    loop {
        let children = server(&gateway, "up").await["connections"].as_array().unwrap().clone();
        if children.iter().any(|child| child["pid"] == before && child["finishing"] == true) {
            break;
        }
    }
    let new_call = modern.begin_call(2, "echo", "{}").await;
    let mut new = up.take("tools/call").await;
    new.text_result("from the new one").await;
    assert_eq!(new_call.answer().await.response().await["result"]["content"][0]["text"], "from the new one");
    old.text_result("from the old one").await;
    assert_eq!(old_call.answer().await.response().await["result"]["content"][0]["text"], "from the old one");
    let output = soon("the restart ends", restart.wait_with_output()).await.unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["replaced"], &report["finishing"]), (&json!(1), &json!(0)), "{report}");
    assert_eq!(report["started"]["era"], "modern", "{report}");
    let pid = before.as_i64().unwrap();
    until("the old child is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists()).await;
    let (_, err, code) = run(&gateway, &["restart", "pu"]).await;
    assert!(err.contains("did you mean `up`?") && code == Some(1), "{err}");
}

#[tokio::test]
async fn a_server_that_failed_is_tried_again_at_once_when_its_operator_says_so() {
    let up = Upstream::new(Era::Modern, Wire::Stdio).await;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("server");
    let mut settings = config(&[("up", &up)]);
    settings["mcpServers"]["up"]["command"] = json!(program);
    let gateway = Gateway::start(settings).await;
    let (_, _, code) = run(&gateway, &["restart", "up"]).await;
    assert_eq!(code, Some(69), "it is not there");
    std::os::unix::fs::symlink("/usr/bin/python3", &program).unwrap();
    let (out, err, code) = run(&gateway, &["restart", "up"]).await;
    assert!(out.contains("it answers again: modern") && code == Some(0), "{out}{err}");
    assert_eq!(server(&gateway, "up").await["lastError"], json!(null));
}

#[tokio::test]
async fn the_log_of_a_server_is_followed_over_its_restarts_until_the_gateway_stops() {
    let up = Upstream::new(Era::Modern, Wire::Stdio).await;
    let mut gateway = Gateway::start(talkative(&up)).await;
    until("it began", || gateway.log().contains("began as")).await;
    let (printed, _, code) = run(&gateway, &["logs", "up", "--lines", "1"]).await;
    assert!(printed.contains("began as ") && printed.lines().count() == 1 && code == Some(0), "{printed}");
    let (mut follower, mut lines) = follow(&gateway, "up");
    let first = soon("what is there", lines.next_line()).await.unwrap().unwrap();
    run(&gateway, &["restart", "up"]).await;
    let second = soon("what the next child prints", lines.next_line()).await.unwrap().unwrap();
    assert!(first.contains("began as ") && second.contains("began as ") && first != second, "{first} {second}");
    gateway.signal(Signal::TERM);
    assert_eq!(soon("the follower ends", follower.wait()).await.unwrap().code(), Some(0));
    assert_eq!(gateway.exited().await, Some(0));
}

#[tokio::test]
async fn whoever_follows_a_log_may_leave_at_any_time_and_leaves_a_place_for_the_next() {
    let up = Upstream::new(Era::Modern, Wire::Stdio).await;
    let gateway = Gateway::start(talkative(&up)).await;
    until("it began", || gateway.log().contains("began as")).await;
    // More than may read at the same time.
    for _ in 0..20 {
        let (mut follower, mut lines) = follow(&gateway, "up");
        assert!(soon("a line", lines.next_line()).await.unwrap().unwrap().contains("began as"));
        let pid = Pid::from_raw(follower.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        soon("it ends", follower.wait()).await.unwrap();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_in_a_sandbox_serves_and_says_so_or_is_not_started_and_says_why() {
    use myelin::guard::sandbox::{FileRules, Kernel, Sandbox};

    let up = Upstream::new(Era::Modern, Wire::Stdio).await;
    let mut settings = talkative(&up);
    let servers = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers");
    // The shim of a version manager is no program of the system's.
    settings["mcpServers"]["up"]["env"]["PATH"] = json!("/usr/bin:/bin");
    settings["mcpServers"]["up"]["sandbox"] = json!({ "files": { "read": [servers] } });
    let files = FileRules { read: vec![servers.into()], ..FileRules::default() };
    let lacks = Kernel::look().lacks(&Sandbox { files: Some(files), ..Sandbox::default() });
    let gateway = Gateway::start(settings).await;
    let answer = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    if lacks.is_empty() {
        up.take("tools/call").await.text_result("confined").await;
        assert_eq!(answer.answer().await.response().await["result"]["content"][0]["text"], "confined");
        assert_eq!(server(&gateway, "up").await["sandboxed"], true);
    } else {
        let error = answer.answer().await.response().await["error"]["message"].clone();
        assert!(error.as_str().unwrap().contains("lacks what its sandbox needs"), "{error}");
        assert!(gateway.log().contains(&lacks[0].to_string()));
    }
}

#[tokio::test]
async fn a_server_that_was_left_alone_is_told_and_a_restart_lets_it_try_again() {
    let (up, folder) = (Upstream::new(Era::Modern, Wire::Stdio).await, tempfile::tempdir().unwrap());
    let licence = folder.path().join("licence");
    let mut settings = talkative(&up);
    let relay = up.entry()["args"][0].as_str().unwrap().to_owned();
    let script = format!("test -e {} || exit 1; exec python3 {relay}", licence.display());
    settings["mcpServers"]["up"]["args"] = json!(["-c", script]);
    settings["mcpServers"]["up"]["restart"] = json!({ "failures": 3, "wait": "1ms", "maxWait": "1ms" });
    let gateway = Gateway::start(settings).await;
    let client = Modern::of(&gateway);
    for id in 0..50 {
        client.call(id, "echo", "{}").await.refused(200, 1001).await;
    }
    let told = server(&gateway, "up").await;
    assert!(told["state"] == "parked" && told["parked"].is_u64(), "{told}");
    let (table, _, code) = run(&gateway, &["servers"]).await;
    assert!(table.contains("up failed too often and has been left alone for") && code == Some(69), "{table}");
    std::fs::write(&licence, "").unwrap();
    client.call(50, "echo", "{}").await.refused(200, 1001).await;
    let (said, err, code) = run(&gateway, &["restart", "up"]).await;
    assert!(said.contains("it answers again: modern") && code == Some(0), "{said}{err}");
    let told = server(&gateway, "up").await;
    assert!(told["parked"].is_null() && told["state"] == "ready", "{told}");
    let answer = async { up.take("tools/call").await.text_result("back").await };
    let (called, ()) = tokio::join!(client.call(51, "echo", "{}"), answer);
    assert_eq!(called.response().await["result"]["content"][0]["text"], "back");
}
