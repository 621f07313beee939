//! Gateways that are gone, and gateways that are lost in the middle.

use rustix::process::Signal;

use super::*;
use crate::kit::Legacy;

#[tokio::test]
async fn what_was_in_a_gateway_that_is_gone_does_not_exist() {
    let (upstream, mut home, other) = legacy_server(Wire::Http).await;
    let client = Legacy::open(&home).await;
    let Parked { again, arrived: _arrived } = park(&home, &upstream).await;
    home.signal(Signal::KILL);
    home.exited().await;
    let away = client.by(&other);
    let unknown = away.with_session("none".to_owned()).send(1, "ping", "").await.response_text().await;
    let answer = away.send(1, "ping", "").await;
    assert_eq!((answer.status, answer.response_text().await), (404, unknown), "as a session that never was");
    assert_eq!(away.stream(None).await.status, 404);
    assert_eq!(away.delete().await.status, 404);
    let refused = modern(&other).send(2, "tools/call", &again).await.refused(200, -32602).await;
    assert_eq!(refused["error"]["data"]["reason"], "request_state_expired", "{refused}");
    assert_eq!(upstream.count("tools/call"), 1, "nothing was done a second time");
}

#[tokio::test]
async fn a_request_that_is_lost_with_its_gateway_is_told_so() {
    let (upstream, mut home, other) = legacy_server(Wire::Http).await;
    let away = Legacy::open(&home).await.by(&other);
    let silent = away.begin_call(1, "echo", r#"{"n":1}"#).await;
    let _first = upstream.take_if("the first", |arrived| arrived.params()["arguments"]["n"] == 1).await;
    let begun = away
        .begin_post(&Legacy::body(
            2,
            "tools/call",
            r#""name":"echo","arguments":{"n":2},"_meta":{"progressToken":"p"}"#,
        ))
        .await;
    let mut second = upstream.take_if("the second", |arrived| arrived.params()["arguments"]["n"] == 2).await;
    second.progress(1).await;
    let mut begun = begun.answer().await;
    assert_eq!(begun.message().await["method"], "notifications/progress");
    let Parked { again, arrived: _parked } = park(&home, &upstream).await;
    let resumed = modern(&other).begin(3, "tools/call", &again).await;
    upstream.answer(&json!("q")).await;
    home.signal(Signal::KILL);
    home.exited().await;
    for (answer, id) in [(silent.answer().await, 1), (begun, 2), (resumed.answer().await, 3)] {
        assert_eq!(answer.status, 200);
        let told = answer.response().await;
        assert_eq!((&told["id"], &told["error"]["code"]), (&json!(id), &json!(1011)), "{told}");
    }
    other.metric(r#"myelin_hops_total{result="lost"}"#, "2").await;
    assert_eq!(upstream.count("tools/call"), 3, "nothing was done a second time");
}
