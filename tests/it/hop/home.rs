//! What belongs to another gateway is served as if it had come there.

use serde_json::json;

use super::*;
use crate::kit::{Client, Legacy, question, request, text};

#[tokio::test]
async fn a_session_is_served_whichever_gateway_its_requests_come_to() {
    for wire in [Wire::Http, Wire::Stdio] {
        let (upstream, home, other) = legacy_server(wire).await;
        let client = Legacy::open_with(&home, "2025-11-25", r#"{"elicitation":{}}"#).await;
        let away = client.by(&other);
        let call = away.begin_call(1, "echo", r#"{"n":1.10}"#).await;
        let mut arrived = upstream.take("tools/call").await;
        assert!(arrived.text.contains("1.10"), "byte for byte: {}", arrived.text);
        arrived.progress(1).await;
        arrived.ask(&json!("q"), "elicitation/create", FORM).await;
        let mut answer = call.answer().await;
        let asked = question(&mut answer).await;
        // The answer comes by another way than the question went.
        client.reply(&asked["id"], GIVEN).await;
        upstream.answer(&json!("q")).await;
        arrived.text_result("asked and answered").await;
        assert_eq!(text(answer).await, "asked and answered");
        assert_eq!(text(soon_called(&away, &upstream).await).await, "again");
        assert_eq!(upstream.count("tools/call"), 2, "each came once");
    }
}

async fn soon_called(client: &Legacy, upstream: &Upstream) -> crate::kit::Answer {
    let call = client.begin_call(2, "echo", "{}").await;
    upstream.take("tools/call").await.text_result("again").await;
    call.answer().await
}

#[tokio::test]
async fn the_stream_of_a_session_is_read_and_ended_by_way_of_another_gateway() {
    let (upstream, home, other) = legacy_server(Wire::Http).await;
    let client = Legacy::open(&home).await;
    let away = client.by(&other);
    let mut stream = away.stream(None).await;
    assert_eq!(stream.status, 200);
    upstream.is_heard_by(1).await;
    upstream.tell("notifications/tools/list_changed", "").await;
    assert_eq!(stream.message().await["method"], "notifications/tools/list_changed");
    assert_eq!(away.delete().await.status, 200);
    assert!(stream.event().await.is_none(), "it ended with its session");
    for gateway in [&home, &other] {
        assert_eq!(client.by(gateway).send(1, "ping", "").await.status, 404);
    }
}

#[tokio::test]
async fn a_stream_that_broke_is_taken_up_by_way_of_another_gateway() {
    let (upstream, home, other) = legacy_server(Wire::Http).await;
    let client = Legacy::open(&home).await;
    let call = client.begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.progress(1).await;
    let mut broken = call.answer().await;
    let last = broken.event().await.and_then(|event| event.id).expect("an id");
    drop(broken);
    let resumed = client.by(&other).stream(Some(&last)).await;
    arrived.text_result("whole").await;
    assert_eq!(text(resumed).await, "whole");
}

#[tokio::test]
async fn the_old_transport_takes_messages_by_way_of_another_gateway() {
    let (upstream, home, other) = legacy_server(Wire::Http).await;
    let get = request("GET", "/sse", &[("accept", "text/event-stream")], b"");
    let mut stream = Client::exchange(&home.address, &get).await;
    let path = stream.event().await.expect("where to post").data;
    let post = |body: &str| request("POST", &path, &[("content-type", "application/json")], body.as_bytes());
    let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"it","version":"1"}}}"#;
    assert_eq!(Client::exchange(&other.address, &post(initialize)).await.status, 202);
    assert_eq!(stream.message().await["result"]["protocolVersion"], "2024-11-05");
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#;
    assert_eq!(Client::exchange(&other.address, &post(call)).await.status, 202);
    upstream.take("tools/call").await.text_result("heard").await;
    assert_eq!(stream.message().await["result"]["content"][0]["text"], "heard");
}

#[tokio::test]
async fn a_parked_call_is_taken_up_by_way_of_another_gateway() {
    for wire in [Wire::Http, Wire::Stdio] {
        let (upstream, home, other) = legacy_server(wire).await;
        let Parked { again, mut arrived } = park(&home, &upstream).await;
        let call = modern(&other).begin(2, "tools/call", &again).await;
        upstream.answer(&json!("q")).await;
        arrived.text_result("taken up").await;
        assert_eq!(text(call.answer().await).await, "taken up");
        other.metric(r#"myelin_hops_total{result="answered"}"#, "1").await;
        // Used once.
        modern(&other).send(3, "tools/call", &again).await.refused(200, -32602).await;
    }
}

#[tokio::test]
async fn a_client_that_gives_up_is_given_up_at_home() {
    let (upstream, home, other) = legacy_server(Wire::Http).await;
    let Parked { again, mut arrived } = park(&home, &upstream).await;
    let call = modern(&other).begin(2, "tools/call", &again).await;
    upstream.answer(&json!("q")).await;
    home.metric("myelin_hops_inside", "1").await;
    drop(call);
    arrived.is_given_up().await;
    home.metric("myelin_hops_inside", "0").await;
}

#[tokio::test]
async fn what_a_client_says_of_itself_in_the_headers_of_a_hop_is_not_believed() {
    let (_upstream, home, other) = legacy_server(Wire::Http).await;
    let client = Legacy::open(&home).await;
    for gateway in [&home, &other] {
        let body = Legacy::body(7, "tools/list", "");
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-session-id", &*client.session),
            ("mcp-protocol-version", "2025-11-25"),
            ("myelin-client-address", "203.0.113.77"),
            ("myelin-client-chain", "AAAA"),
        ];
        let answer = Client::exchange(&gateway.address, &request("POST", "/mcp", &headers, body.as_bytes())).await;
        assert_eq!(answer.status, 200);
    }
    assert!(!home.log().contains("203.0.113.77") && !other.log().contains("203.0.113.77"));
}

#[tokio::test]
async fn gateways_without_a_key_in_common_do_not_know_each_other_s_sessions() {
    let upstream = Upstream::new(Era::Legacy, Wire::Http).await;
    let mut settings = settings(&[("up", &upstream)]);
    let home = Gateway::start(settings.clone()).await;
    settings["sealing"]["keys"] = json!(["another key, of another deployment altogether"]);
    let other = Gateway::start(settings).await;
    let client = Legacy::open(&home).await;
    assert_eq!(client.by(&other).send(1, "ping", "").await.status, 404);
    assert!(!other.admin("/metrics").await.1.contains(r#"myelin_hops_total{result="gone"} 1"#), "nobody was asked");
}
