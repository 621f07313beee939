//! Calls that are made again, and those that must not be.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::kit::{Catalog, Era, Gateway, Modern, Upstream, Wire, config, until};

const READS: &str = r#"{"name":"echo","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}"#;

async fn offering(wire: Wire, tool: &str) -> Upstream {
    Upstream::offering(Era::Modern, wire, Catalog { tools: vec![tool.to_owned()], ..Catalog::default() }).await
}

async fn gateway(upstream: &Upstream, calls: &str) -> Gateway {
    let mut settings = config(&[("up", upstream)]);
    settings["mcpServers"]["up"]["retry"] = json!({ "calls": calls, "wait": "1ms" });
    Gateway::start(settings).await
}

/// The program that speaks to the test.
fn relay(gateway: &Gateway) -> Pid {
    let found =
        gateway.processes().into_iter().find(|process| process.contains("python3") && !process.contains("guard"));
    // Its id stands first, in quotes.
    let id = found.as_deref().and_then(|process| process.split('"').nth(1)).expect("a relay").parse().unwrap();
    Pid::from_raw(id).unwrap()
}

/// Bytes that wait at a process' stdin.
fn waiting_bytes(process: Pid) -> u64 {
    let stdin = fs::File::open(format!("/proc/{}/fd/0", process.as_raw_nonzero())).unwrap();
    rustix::io::ioctl_fionread(stdin).unwrap()
}

#[tokio::test]
async fn a_call_that_provably_did_not_reach_its_child_is_made_again_and_one_that_may_have_is_not() {
    let upstream = Upstream::new(Era::Modern, Wire::Stdio).await;
    let gateway = gateway(&upstream, "unsent").await;
    let client = Modern::of(&gateway);
    let call = client.begin_call(0, "echo", "{}").await;
    upstream.take("tools/call").await.text_result("warm").await;
    assert_eq!(call.answer().await.status, 200);
    let child = relay(&gateway);
    kill_process(child, Signal::STOP).unwrap();
    // Each is more than a pipe holds: the first to come is written in part, and the others wait.
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(200 << 10));
    let mut calls = Vec::new();
    for id in 0..3 {
        calls.push(client.begin_call(id, "echo", &large).await);
    }
    until("one is written as far as it goes", || waiting_bytes(child) >= 60 << 10).await;
    kill_process(child, Signal::KILL).unwrap();
    for _ in 0..2 {
        upstream.take("tools/call").await.text_result("to another child").await;
    }
    let mut codes = Vec::new();
    for call in calls {
        codes.push(call.answer().await.response().await["error"]["code"].as_i64());
    }
    codes.sort();
    assert_eq!(codes, [None, None, Some(1001)]);
}

#[tokio::test]
async fn a_call_of_a_tool_that_only_reads_is_made_again_where_the_operator_allows_it() {
    let upstream = offering(Wire::Stdio, READS).await;
    let gateway = gateway(&upstream, "safe").await;
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    upstream.take("tools/call").await.hang_up().await;
    upstream.take("tools/call").await.text_result("the second time").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "the second time");
}

#[tokio::test]
async fn a_call_of_any_other_tool_reaches_its_server_once() {
    for (calls, tool) in [("unsent", READS), ("safe", &*crate::kit::tool("echo")), ("off", READS)] {
        let upstream = offering(Wire::Stdio, tool).await;
        let gateway = gateway(&upstream, calls).await;
        let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
        upstream.take("tools/call").await.hang_up().await;
        call.answer().await.refused(200, 1001).await;
        assert_eq!(upstream.count("tools/call"), 1, "{calls} {tool}");
    }
}

#[tokio::test]
async fn a_call_that_fails_again_and_again_is_given_up() {
    let upstream = offering(Wire::Stdio, READS).await;
    let gateway = gateway(&upstream, "safe").await;
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    for _ in 0..3 {
        upstream.take("tools/call").await.hang_up().await;
    }
    call.answer().await.refused(200, 1001).await;
    assert_eq!(upstream.count("tools/call"), 3);
}
