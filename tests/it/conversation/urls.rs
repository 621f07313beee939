//! URLs that users must visit: in the form of each era, and the news that they did only to whom it concerns.

use std::time::Duration;

use serde_json::json;

use super::{again, all, needed, needs, question, text};
use crate::kit::{Era, Gateway, Legacy, Modern, Upstream, Wire, config, never};

const VISITS: &str = r#"{"elicitation":{"form":{},"url":{}}}"#;
const FORMS: &str = r#"{"elicitation":{}}"#;
const REQUIRED: &str = r#"{"elicitations":[{"mode":"url","elicitationId":"e-1","url":"https://x.example/a?b=1","message":"Sign in"},{"mode":"url","elicitationId":"e-2","url":"https://x.example/c","message":"And here"}],"note":1.10}"#;
const URL: &str = r#"{"mode":"url","message":"Pay","url":"https://pay.example/1","elicitationId":"e-9"}"#;
const ACCEPTED: &str = r#"{"action":"accept"}"#;

fn error(arrived: &crate::kit::Arrived) -> String {
    let id = arrived.id();
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32042,"message":"Visit first","data":{REQUIRED}}}}}"#)
}

#[tokio::test]
async fn urls_that_a_legacy_server_requires_become_a_round_and_the_call_is_made_again() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let client = Modern::of(&gateway).capable(VISITS);
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.finish(&error(&arrived)).await;
        let round = needed(call).await;
        let requests: Vec<_> = round["inputRequests"].as_object().unwrap().values().cloned().collect();
        let expected = json!([
            { "method": "elicitation/create", "params": { "mode": "url", "url": "https://x.example/a?b=1", "message": "Sign in" } },
            { "method": "elicitation/create", "params": { "mode": "url", "url": "https://x.example/c", "message": "And here" } },
        ]);
        assert_eq!(json!(requests), expected);
        // Who declines is not asked over and over, and nothing runs.
        let declined = again(&round, &all(&round, r#"{"action":"decline"}"#));
        client.send(2, "tools/call", &declined).await.refused(200, -32603).await;
        assert_eq!(upstream.count("tools/call"), 1);
        let call = client.begin(3, "tools/call", &again(&round, &all(&round, ACCEPTED))).await;
        let mut arrived = upstream.take("tools/call").await;
        assert!(arrived.params()["inputResponses"].is_null() && arrived.params()["requestState"].is_null());
        arrived.text_result("signed in").await;
        assert_eq!(text(call.answer().await).await, "signed in");
    }
}

#[tokio::test]
async fn a_client_that_visits_no_urls_hears_which_capability_it_lacks() {
    let upstream = Upstream::new(Era::Legacy, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let call = Modern::of(&gateway).capable(FORMS).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.finish(&error(&arrived)).await;
    let refusal = call.answer().await.refused(400, -32021).await;
    assert_eq!(refusal["error"]["data"]["requiredCapabilities"], json!({ "elicitation": { "url": {} } }));
    for (revision, capabilities) in [("2025-11-25", FORMS), ("2025-06-18", VISITS)] {
        let call = Legacy::open_with(&gateway, revision, capabilities).await.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.finish(&error(&arrived)).await;
        let response = call.answer().await.response().await;
        assert_eq!(response["result"]["isError"], true, "{response}");
        assert!(response["result"]["content"][0]["text"].as_str().unwrap().contains("url"), "{response}");
    }
}

#[tokio::test]
async fn a_legacy_client_gets_the_error_as_its_server_sent_it() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let client = Legacy::open_with(&gateway, "2025-11-25", VISITS).await;
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.finish(&error(&arrived)).await;
        let response = call.answer().await.response_text().await;
        assert_eq!(crate::kit::raw_member(&response, &["error", "data"]), REQUIRED);
    }
}

#[tokio::test]
async fn a_url_of_a_modern_server_reaches_a_client_of_2025_11_25_with_an_id() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let client = Legacy::open_with(&gateway, "2025-11-25", VISITS).await;
    let call = client.begin_call(1, "echo", "{}").await;
    let asked = r#""pay":{"method":"elicitation/create","params":{"mode":"url","message":"Pay","url":"https://pay.example/1"}}"#;
    needs(&mut upstream.take("tools/call").await, asked, "s").await;
    let mut stream = call.answer().await;
    let question = question(&mut stream).await;
    assert_eq!(question["params"]["url"], "https://pay.example/1");
    assert!(question["params"]["elicitationId"].as_str().is_some_and(|id| id.len() > 16), "{question}");
    client.reply(&question["id"], ACCEPTED).await;
    let mut arrived = upstream.take("tools/call").await;
    assert_eq!(arrived.params()["inputResponses"], json!({ "pay": { "action": "accept" } }));
    arrived.text_result("paid").await;
    assert_eq!(stream.message().await["result"]["content"][0]["text"], "paid");
}

#[tokio::test]
async fn a_url_of_a_legacy_server_reaches_a_modern_client_without_an_id_and_its_completion_is_not_told() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let client = Modern::of(&gateway).capable(VISITS);
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.ask(&json!(1), "elicitation/create", URL).await;
        let round = needed(call).await;
        let asked = round["inputRequests"].as_object().unwrap().values().next().unwrap();
        assert_eq!(asked["params"], json!({ "mode": "url", "message": "Pay", "url": "https://pay.example/1" }));
        let call = client.begin(2, "tools/call", &again(&round, &all(&round, ACCEPTED))).await;
        upstream.answer(&json!(1)).await;
        arrived.notice("notifications/elicitation/complete", r#""elicitationId":"e-9""#).await;
        arrived.text_result("paid").await;
        let messages = call.answer().await.all().await;
        assert_eq!(messages.len(), 1, "{messages:?}");
    }
}

#[tokio::test]
async fn that_a_url_was_visited_is_told_to_the_session_that_was_asked_and_to_no_other() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = Gateway::start(config(&[("up", &upstream)])).await;
        let alice = Legacy::open_with(&gateway, "2025-11-25", VISITS).await;
        let bob = Legacy::open_with(&gateway, "2025-11-25", VISITS).await;
        let (mut of_alice, mut of_bob) = (alice.stream(None).await, bob.stream(None).await);
        upstream.is_heard_by(1).await;
        let call = alice.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.finish(&error(&arrived)).await;
        call.answer().await.response().await;
        for id in ["unknown", "e-2"] {
            upstream.tell("notifications/elicitation/complete", &format!(r#""elicitationId":"{id}","x":1.10"#)).await;
        }
        let told = of_alice.message_text().await.unwrap();
        assert_eq!(crate::kit::raw_member(&told, &["method"]), r#""notifications/elicitation/complete""#);
        assert_eq!(crate::kit::raw_member(&told, &["params"]), r#"{"elicitationId":"e-2","x":1.10}"#);
        // In mid-call it comes on the call's own stream, over stdio too.
        let call = alice.begin_call(2, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.ask(&json!(1), "elicitation/create", URL).await;
        let mut stream = call.answer().await;
        let asked = question(&mut stream).await;
        assert_eq!(asked["params"]["elicitationId"], "e-9");
        alice.reply(&asked["id"], ACCEPTED).await;
        upstream.answer(&json!(1)).await;
        arrived.notice("notifications/elicitation/complete", r#""elicitationId":"e-9""#).await;
        assert_eq!(stream.message().await["method"], "notifications/elicitation/complete");
        arrived.text_result("paid").await;
        assert_eq!(stream.message().await["result"]["content"][0]["text"], "paid");
        never("another session hears of it", Duration::from_millis(300), of_bob.message()).await;
    }
}
