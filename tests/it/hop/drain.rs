//! A gateway that stops: what it has goes to its end, and what comes goes elsewhere.

use rustix::process::Signal;

use super::*;
use crate::kit::{Legacy, question, text};

#[tokio::test]
async fn calls_of_a_session_end_well_and_its_next_ones_begin_elsewhere() {
    let (upstream, mut home, other) = legacy_server(Wire::Http).await;
    let away = Legacy::open_with(&home, "2025-11-25", r#"{"elicitation":{}}"#).await.by(&other);
    let mut stream = away.stream(None).await;
    let call = away.begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    home.signal(Signal::TERM);
    assert!(stream.event().await.is_none(), "the session's own stream ends");
    // It cannot go on, and what is asked is asked of it all the same.
    arrived.ask(&json!("q"), "elicitation/create", FORM).await;
    let mut answer = call.answer().await;
    let asked = question(&mut answer).await;
    assert_eq!(away.send(2, "ping", "").await.status, 404, "the client is to open another session");
    assert_eq!(away.stream(None).await.status, 404);
    away.reply(&asked["id"], GIVEN).await;
    upstream.answer(&json!("q")).await;
    arrived.text_result("to the end").await;
    assert_eq!(text(answer).await, "to the end");
    assert_eq!(home.exited().await, Some(0));
    assert_eq!(away.send(3, "ping", "").await.status, 404);
}

#[tokio::test]
async fn a_parked_call_is_waited_for() {
    let (upstream, mut home, other) = legacy_server(Wire::Http).await;
    let Parked { again, mut arrived } = park(&home, &upstream).await;
    home.signal(Signal::TERM);
    let call = modern(&other).begin(2, "tools/call", &again).await;
    upstream.answer(&json!("q")).await;
    arrived.text_result("taken up").await;
    assert_eq!(text(call.answer().await).await, "taken up");
    assert_eq!(home.exited().await, Some(0));
}

#[tokio::test]
async fn a_gateway_that_stops_lets_the_streams_go_that_it_passes_on() {
    let (_upstream, home, mut other) = legacy_server(Wire::Http).await;
    let client = Legacy::open(&home).await;
    let mut stream = client.by(&other).stream(None).await;
    other.signal(Signal::TERM);
    assert!(stream.event().await.is_none());
    assert_eq!(other.exited().await, Some(0));
    assert_eq!(client.send(1, "ping", "").await.status, 200, "the session goes on at home");
}
