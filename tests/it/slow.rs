//! Clients that do not read, and results that are too large: what they cost, and whom.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use crate::kit::{Arrived, Client, Era, Gateway, Modern, Upstream, Wire, config, never, soon};

/// One notice of the flood.
const NOTICE: usize = 64 << 10;
/// Far more than what the buffers of all sockets in between hold.
const FLOOD: usize = 1500;
/// What memory may vary by for other reasons, sockets' buffers not counted.
const SLACK: u64 = 40 << 20;

/// Says so much on the way to an answer, and then answers.
async fn flood(mut arrived: Arrived, said: Arc<AtomicUsize>) {
    let token = arrived.params()["_meta"]["progressToken"].clone();
    let text = "x".repeat(NOTICE);
    for number in 1..=FLOOD {
        let members = format!(r#""progressToken":{token},"progress":{number},"message":"{text}""#);
        arrived.notice("notifications/progress", &members).await;
        said.store(number, Ordering::Relaxed);
    }
    arrived.text_result("at last").await;
}

/// A call whose client does not read what comes.
async fn stalled(gateway: &Gateway) -> Client {
    Modern::of(gateway).meta(r#""progressToken":"p""#).begin_call(1, "echo", "{}").await
}

#[tokio::test]
async fn a_client_that_reads_nothing_stops_its_server_and_gets_everything_when_it_reads() {
    for era in [Era::Modern, Era::Legacy] {
        let upstream = Upstream::new(era, Wire::Http).await;
        let gateway = Gateway::over(&upstream).await;
        Modern::of(&gateway).send(1, "tools/list", "").await.response().await;
        let before = gateway.resident_bytes();
        let call = stalled(&gateway).await;
        let said = Arc::new(AtomicUsize::new(0));
        let mut flooding = tokio::spawn(flood(upstream.take("tools/call").await, said.clone()));
        never("the whole flood", Duration::from_secs(3), &mut flooding).await;
        let (said, grown) = (said.load(Ordering::Relaxed), gateway.resident_bytes().saturating_sub(before));
        assert!(said < FLOOD, "{era:?}: the server was never stopped");
        assert!(grown < SLACK, "{era:?}: {grown} bytes after {said} notices");
        let all = call.answer().await.all().await;
        assert_eq!(all.len(), FLOOD + 1, "{era:?}: nothing is lost");
        assert_eq!(all[FLOOD]["result"]["content"][0]["text"], "at last");
        flooding.await.unwrap();
    }
}

#[tokio::test]
async fn on_a_child_that_others_use_a_client_that_reads_nothing_loses_notices_and_stops_nobody() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["pool"] = json!({ "isolation": "shared" });
    let gateway = Gateway::start(settings).await;
    Modern::of(&gateway).send(1, "tools/list", "").await.response().await;
    let before = gateway.resident_bytes();
    let call = stalled(&gateway).await;
    let flooding = tokio::spawn(flood(upstream.take("tools/call").await, Arc::default()));
    for number in 0..5 {
        let other = Modern::of(&gateway).begin_call(number, "echo", "{}").await;
        upstream.take("tools/call").await.text_result("in time").await;
        let answer = soon("another call's answer", other.answer()).await.response().await;
        assert_eq!(answer["result"]["content"][0]["text"], "in time");
    }
    soon("the child says all it has to say", flooding).await.unwrap();
    let grown = gateway.resident_bytes().saturating_sub(before);
    assert!(grown < SLACK, "{grown}");
    let all = call.answer().await.all().await;
    assert!(all.len() < FLOOD, "{} notices", all.len());
    assert_eq!(all[all.len() - 1]["result"]["content"][0]["text"], "at last", "the answer is not lost");
    let (_, metrics) = gateway.admin("/metrics").await;
    let dropped =
        metrics.lines().find_map(|line| line.strip_prefix(r#"myelin_upstream_dropped_notices_total{server="up"} "#));
    assert_eq!(dropped, Some(&*(FLOOD + 1 - all.len()).to_string()), "what was dropped is counted");
}

#[tokio::test]
async fn a_client_that_takes_nothing_for_too_long_is_given_up_with_its_call() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["http"] = json!({ "writeTimeout": "1s" });
    let gateway = Gateway::start(settings).await;
    let _call = stalled(&gateway).await;
    let mut arrived = upstream.take("tools/call").await;
    let flooding = tokio::spawn(flood(arrived.clone(), Arc::default()));
    arrived.is_given_up().await;
    soon("the flood ends", flooding).await.unwrap();
    gateway.metric("myelin_requests_in_flight", "0").await;
}

#[tokio::test]
async fn a_result_that_is_too_large_is_refused_or_cut_as_the_server_s_entry_says() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["maxResult"] = json!("2KiB");
    let gateway = Gateway::start(settings.clone()).await;
    let answered = async |gateway: &Gateway, result: &str| {
        let call = Modern::of(gateway).begin_call(1, "echo", "{}").await;
        upstream.take("tools/call").await.result(result).await;
        call.answer().await.response().await
    };
    let text = format!(r#"{{"type":"text","text":"{}"}}"#, "long ".repeat(1000));
    let plain = format!(r#"{{"content":[{text}],"resultType":"complete"}}"#);
    let structured = format!(r#"{{"content":[],"structuredContent":{{"all":{text}}},"resultType":"complete"}}"#);
    let refused = answered(&gateway, &plain).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("up"), "{refused}");
    gateway.metric(r#"myelin_upstream_overlong_total{server="up",result="refused"}"#, "1").await;
    settings["mcpServers"]["up"]["overlong"] = json!("cut");
    let gateway = Gateway::start(settings).await;
    let cut = answered(&gateway, &plain).await;
    let content = cut["result"]["content"].as_array().unwrap();
    assert!(content[0]["text"].as_str().unwrap().starts_with("long long"), "{cut}");
    assert!(content[1]["text"].as_str().unwrap().contains("cut this result"), "{cut}");
    assert!(cut["result"].to_string().len() < 2400, "{cut}");
    assert!(answered(&gateway, &structured).await["error"].is_object(), "structured content is never cut");
    gateway.metric(r#"myelin_upstream_overlong_total{server="up",result="cut"}"#, "1").await;
}
