//! Legacy sessions: whose they are, when they end, how a broken stream is taken up again.

use serde_json::json;

use crate::kit::{Era, Gateway, Legacy, Upstream, Wire, config};

#[tokio::test]
async fn unknown_altered_and_ended_sessions_look_alike() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let legacy = Legacy::open(&gateway).await;
    let ended = Legacy::open(&gateway).await;
    assert!(ended.delete().await.status < 300);
    let other_gateway = Gateway::over(&upstream).await;
    let mut altered = legacy.session.clone();
    let last = altered.pop().unwrap();
    altered.push(if last == 'A' { 'B' } else { 'A' });
    let mut answers = Vec::new();
    for session in ["x".to_owned(), altered, ended.session, Legacy::open(&other_gateway).await.session] {
        let foreign = legacy.with_session(session);
        let answer = foreign.send(1, "tools/list", "").await;
        assert_eq!(answer.status, 404);
        answers.push(answer.text().await);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_session_belongs_to_the_endpoint_that_opened_it() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["endpoints"]["/other/mcp"] = json!({ "servers": ["*"] });
    let gateway = Gateway::start(settings).await;
    let legacy = Legacy::open(&gateway).await;
    assert_eq!(legacy.send(1, "tools/list", "").await.status, 200);
    assert_eq!(legacy.at("/other/mcp").send(1, "tools/list", "").await.status, 404);
}

#[tokio::test]
async fn a_session_that_nobody_uses_expires() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["sessions"] = json!({ "idleTimeout": "1s" });
    let gateway = Gateway::start(settings).await;
    let idle = Legacy::open(&gateway).await;
    gateway.metric("myelin_sessions", "0").await;
    assert_eq!(idle.send(1, "tools/list", "").await.status, 404);
}

#[tokio::test]
async fn there_are_no_more_sessions_than_allowed() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["sessions"] = json!({ "max": 2 });
    let gateway = Gateway::start(settings).await;
    let first = Legacy::open(&gateway).await;
    let _second = Legacy::open(&gateway).await;
    let third = Legacy::try_open(&gateway).await;
    assert_eq!(third.header("mcp-session-id"), None);
    assert_eq!(third.response().await["error"]["code"], 1004);
    assert!(first.delete().await.status < 300);
    Legacy::open(&gateway).await;
}

#[tokio::test]
async fn a_legacy_call_whose_stream_broke_is_resumed_where_it_was() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let legacy = Legacy::open(&gateway).await;
        let call = legacy
            .begin_post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},"_meta":{"progressToken":"p"}}}"#)
            .await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.progress(1).await;
        let mut stream = call.answer().await;
        let mut last = stream.event().await.unwrap();
        while last.data.is_empty() {
            last = stream.event().await.unwrap();
        }
        assert!(last.data.contains(r#""progress":1"#), "{last:?}");
        drop(stream);
        arrived.progress(2).await;
        arrived.progress(3).await;
        arrived.text_result("late").await;
        let resumed = legacy.stream(last.id.as_deref()).await.all().await;
        let said: Vec<_> = resumed.iter().filter_map(|message| message["params"]["progress"].as_i64()).collect();
        assert_eq!(said, [2, 3], "{resumed:?}");
        assert_eq!(resumed[2]["result"]["content"][0]["text"], "late");
        assert_eq!(resumed[2]["id"], 1);
        let foreign = Legacy::open(&gateway).await.stream(last.id.as_deref()).await;
        assert!([400, 404].contains(&foreign.status), "another session replays nothing");
        assert_eq!(upstream.count("notifications/cancelled"), 0);
    }
}

#[tokio::test]
async fn a_legacy_call_whose_client_stays_away_is_cancelled_after_the_grace() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let mut settings = config(&[("up", &upstream)]);
        settings["sessions"] = json!({ "resumeGrace": "200ms" });
        let gateway = Gateway::start(settings).await;
        let legacy = Legacy::open(&gateway).await;
        let call = legacy
            .begin_post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},"_meta":{"progressToken":"p"}}}"#)
            .await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.progress(1).await;
        drop(call.answer().await);
        let cancelled = upstream.take("notifications/cancelled").await;
        assert_eq!(cancelled.params()["requestId"], *arrived.id());
    }
}

#[tokio::test]
async fn a_legacy_client_that_goes_before_its_stream_began_cancels_the_call() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let legacy = Legacy::open(&gateway).await;
        let call = legacy.begin_call(1, "echo", "{}").await;
        let arrived = upstream.take("tools/call").await;
        drop(call);
        let cancelled = upstream.take("notifications/cancelled").await;
        assert_eq!(cancelled.params()["requestId"], *arrived.id());
    }
}

#[tokio::test]
async fn a_legacy_client_cancels_its_own_call_and_no_other() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let (mine, other) = (Legacy::open(&gateway).await, Legacy::open(&gateway).await);
        let my_call = mine.begin_call(1, "echo", r#"{"of":"me"}"#).await;
        let arrived = upstream.take("tools/call").await;
        let other_call = other.begin_call(1, "echo", r#"{"of":"other"}"#).await;
        let mut other_arrived = upstream.take("tools/call").await;
        mine.tell("notifications/cancelled", r#""requestId":1"#).await;
        let cancelled = upstream.take("notifications/cancelled").await;
        assert_eq!(cancelled.params()["requestId"], *arrived.id());
        other_arrived.text_result("untouched").await;
        let response = other_call.answer().await.response().await;
        assert_eq!(response["result"]["content"][0]["text"], "untouched");
        assert_eq!(upstream.count("notifications/cancelled"), 1);
        assert!(my_call.answer().await.all().await.is_empty(), "a cancelled request is not answered");
    }
}

#[tokio::test]
async fn an_ended_session_cancels_its_calls_and_ends_its_streams() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let legacy = Legacy::open(&gateway).await;
    let mut stream = legacy.stream(None).await;
    let call = legacy.begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    assert!(legacy.delete().await.status < 300);
    arrived.is_given_up().await;
    while stream.event().await.is_some() {}
    drop(call);
}
