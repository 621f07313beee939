//! Modern clients that disappear: the end of the connection is the cancellation.

use crate::kit::{Era, Gateway, Modern, Upstream, Wire};

#[tokio::test]
async fn a_modern_client_that_goes_cancels_its_call_on_every_wire() {
    for (era, wire) in
        [(Era::Modern, Wire::Http), (Era::Legacy, Wire::Http), (Era::Modern, Wire::Stdio), (Era::Legacy, Wire::Stdio)]
    {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let call = Modern::of(&gateway).begin_call(1, "echo", r#"{"n":1}"#).await;
        let mut arrived = upstream.take("tools/call").await;
        let other = Modern::of(&gateway).begin_call(1, "echo", r#"{"n":2}"#).await;
        let mut other_arrived = upstream.take("tools/call").await;
        drop(call);
        if (era, wire) == (Era::Modern, Wire::Http) {
            arrived.is_given_up().await;
            assert_eq!(upstream.count("notifications/cancelled"), 0);
        } else {
            let cancelled = upstream.take("notifications/cancelled").await;
            assert_eq!(cancelled.params()["requestId"], *arrived.id());
        }
        other_arrived.text_result("goes on").await;
        assert_eq!(other.answer().await.response().await["result"]["content"][0]["text"], "goes on");
    }
}

#[tokio::test]
async fn a_modern_client_that_goes_after_its_stream_began_cancels_its_call() {
    for (era, wire) in [(Era::Modern, Wire::Http), (Era::Modern, Wire::Stdio), (Era::Legacy, Wire::Stdio)] {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let client = Modern::of(&gateway).meta(r#""progressToken":"p""#);
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.progress(1).await;
        let mut stream = call.answer().await;
        assert_eq!(stream.message().await["params"]["progressToken"], "p");
        drop(stream);
        if wire == Wire::Http {
            arrived.is_given_up().await;
        } else {
            upstream.take("notifications/cancelled").await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_comes_after_the_cancellation_reaches_nobody() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = Gateway::over(&upstream).await;
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let mut late = upstream.take("tools/call").await;
    drop(call);
    upstream.take("notifications/cancelled").await;
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    late.text_result("too late").await;
    arrived.text_result("in time").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "in time");
}
