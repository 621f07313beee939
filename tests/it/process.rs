//! The process: how it stops, what it leaves behind, what it says of itself.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kit::{Client, Era, Gateway, Legacy, Modern, Upstream, Wire, config, request, until};

#[tokio::test]
async fn a_drain_finishes_calls_ends_listens_refuses_the_new_and_exits_with_zero() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let mut gateway = Gateway::over(&upstream).await;
    let mut listening =
        Modern::of(&gateway).send(9, "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#).await;
    listening.message().await;
    let legacy = Legacy::open(&gateway).await;
    let mut own = legacy.stream(None).await;
    let modern_call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let mut first = upstream.take("tools/call").await;
    let legacy_call = legacy.begin_call(1, "echo", "{}").await;
    let mut second = upstream.take("tools/call").await;
    gateway.signal(Signal::TERM);
    let ended = listening.message().await;
    assert_eq!((&ended["id"], &ended["result"]["resultType"]), (&json!(9), &json!("complete")), "{ended}");
    assert_eq!(ended["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 9);
    assert!(listening.message_text().await.is_none());
    assert!(own.message_text().await.is_none());
    let address = gateway.address.clone();
    let refused = async { while tokio::net::TcpStream::connect(&address).await.is_ok() {} };
    crate::kit::soon("new connections are refused", refused).await;
    first.text_result("finished").await;
    second.text_result("finished").await;
    for call in [modern_call, legacy_call] {
        assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "finished");
    }
    assert_eq!(gateway.exited().await, Some(0), "{}", gateway.log());
    gateway.leaves_nothing().await;
}

#[tokio::test]
async fn a_call_that_does_not_finish_is_cut_off_when_the_drain_is_over() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["drain"] = json!("300ms");
    let mut gateway = Gateway::start(settings).await;
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    gateway.signal(Signal::TERM);
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), gateway.exited()).await, Ok(Some(0)));
    assert!(call.is_hung_up().await);
    arrived.is_given_up().await;
}

#[tokio::test]
async fn no_child_survives_a_killed_gateway_whatever_wraps_it() {
    let (plain, wrapped) =
        (Upstream::new(Era::Modern, Wire::Stdio).await, Upstream::new(Era::Legacy, Wire::Stdio).await);
    let mut settings = config(&[("plain", &plain), ("wrapped", &wrapped)]);
    let script = format!("sleep 1000 & {} {}; true", "python3", wrapped.entry()["args"][0].as_str().unwrap());
    settings["mcpServers"]["wrapped"]["command"] = json!("sh");
    settings["mcpServers"]["wrapped"]["args"] = json!(["-c", script]);
    let mut gateway = Gateway::start(settings).await;
    Modern::of(&gateway).send(1, "tools/list", "").await.response().await;
    let started = gateway.processes();
    assert!(started.len() > 4, "{started:?}");
    gateway.signal(Signal::KILL);
    assert_eq!(gateway.exited().await, None);
    gateway.leaves_nothing().await;
}

#[tokio::test]
async fn a_stopped_gateway_leaves_no_child_that_ignores_its_end() {
    let upstream = Upstream::new(Era::Modern, Wire::Stdio).await;
    let mut settings = config(&[("up", &upstream)]);
    let script = format!("trap '' TERM; {} {}; sleep 1000", "python3", upstream.entry()["args"][0].as_str().unwrap());
    settings["mcpServers"]["up"]["command"] = json!("sh");
    settings["mcpServers"]["up"]["args"] = json!(["-c", script]);
    let gateway = Gateway::start(settings).await;
    Modern::of(&gateway).send(1, "tools/list", "").await.response().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_child_that_dies_is_started_again_for_the_next_call() {
    let upstream = Upstream::new(Era::Modern, Wire::Stdio).await;
    let gateway = Gateway::over(&upstream).await;
    for _ in 0..3 {
        let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.text_result("here").await;
        assert_eq!(call.answer().await.status, 200);
        arrived.hang_up().await;
        gateway.metric(r#"myelin_upstream_children{server="up"}"#, "0").await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_idle_child_is_stopped_and_started_again_when_it_is_needed() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["pool"] = json!({ "idleTimeout": "1s" });
    let gateway = Gateway::start(settings).await;
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.text_result("once").await;
    assert_eq!(call.answer().await.status, 200);
    arrived.is_given_up().await;
    until("only the gateway is left", || gateway.processes().len() == 1).await;
    let call = Modern::of(&gateway).begin_call(2, "echo", "{}").await;
    upstream.take("tools/call").await.text_result("again").await;
    assert_eq!(call.answer().await.status, 200);
}

#[tokio::test]
async fn the_admin_listener_tells_health_readiness_and_metrics() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["dead"] = json!({ "command": "/no/such/program" });
    let gateway = Gateway::start(settings).await;
    Modern::of(&gateway).send(1, "tools/list", "").await.response().await;
    assert_eq!(gateway.admin("/healthz").await.0, 200);
    let (status, ready) = gateway.admin("/readyz").await;
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!((status, &ready["phase"], &ready["problems"][0]["server"]), (200, &json!("serving"), &json!("dead")));
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    gateway.metric("myelin_requests_in_flight", "1").await;
    arrived.text_result("counted").await;
    call.answer().await.response().await;
    gateway.metric("myelin_requests_in_flight", "0").await;
    assert_eq!(gateway.admin("/nothing").await.0, 404);
    assert_eq!(gateway.admin("/mcp").await.0, 404);
    // What clients are served does not serve these.
    assert_eq!(gateway.send(&request("GET", "/metrics", &[], b"")).await.status, 404);
}

#[tokio::test]
async fn a_draining_gateway_says_that_it_is_not_ready() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let _call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    gateway.signal(Signal::TERM);
    let unready = async {
        while gateway.admin("/readyz").await.0 == 200 {
            tokio::task::yield_now().await;
        }
    };
    crate::kit::soon("not ready", unready).await;
    assert_eq!(gateway.admin("/healthz").await.0, 200);
    arrived.text_result("done").await;
}

#[tokio::test]
async fn secrets_never_reach_the_log_or_a_client() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["headers"] = json!({ "authorization": "Bearer s3cr3t-of-the-gateway" });
    settings["log"]["level"] = json!("trace");
    let gateway = Gateway::start(settings).await;
    let body = Modern::of(&gateway).bytes(1, "tools/call", r#""name":"echo","arguments":{}"#);
    let with_token =
        String::from_utf8(body).unwrap().replacen("\r\n", "\r\nauthorization: Bearer s3cr3t-of-the-client\r\n", 1);
    let mut client = Client::connect(&gateway.address).await;
    client.send(with_token.as_bytes()).await;
    let mut arrived = upstream.take("tools/call").await;
    assert_eq!(arrived.header("authorization"), Some("Bearer s3cr3t-of-the-gateway"));
    arrived.text_result("done").await;
    let text = client.answer().await.response_text().await;
    assert!(!text.contains("s3cr3t"));
    assert!(!gateway.log().contains("s3cr3t"), "{}", gateway.log());
}
