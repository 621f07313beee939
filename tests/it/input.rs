//! Requests that are no requests.

use crate::kit::{Era, Gateway, Legacy, Modern, Upstream, Wire};

#[tokio::test]
async fn smoke() {
    for wire in [Wire::Http, Wire::Stdio] {
        for era in [Era::Legacy, Era::Modern] {
            let upstream = Upstream::new(era, wire).await;
            let gateway = Gateway::over(&upstream).await;
            let modern = Modern::of(&gateway);
            let client = modern.begin_call(1, "echo", "{}").await;
            upstream.take("tools/call").await.text_result("hi").await;
            let answer = client.answer().await;
            assert_eq!(answer.status, 200);
            let response = answer.response().await;
            assert_eq!(response["result"]["content"][0]["text"], "hi", "{response}");
            let legacy = Legacy::open(&gateway).await;
            let client = legacy.begin_call(1, "echo", "{}").await;
            upstream.take("tools/call").await.text_result("hi").await;
            let response = client.answer().await.response().await;
            assert_eq!(response["result"]["content"][0]["text"], "hi", "{response}");
            gateway.stop().await;
        }
    }
}
