//! Questions that servers ask while nobody calls, and the roots that most of them are about.

use std::time::Duration;

use serde_json::json;

use super::{again, all, needed, question, text};
use crate::kit::{Arrived, Client, Era, Gateway, Legacy, Modern, Upstream, Wire, config, never};

const ROOTED: &str = r#"{"roots":{"listChanged":true}}"#;
const ROOTS: &str = r#"{"roots":[{"uri":"file:///mine"}]}"#;

async fn gateway(upstream: &Upstream, isolation: &str) -> Gateway {
    let mut settings = config(&[("up", upstream)]);
    settings["mcpServers"]["up"]["pool"] = json!({ "isolation": isolation });
    settings["questions"] = json!({ "lifetime": "1s" });
    Gateway::start(settings).await
}

async fn legacy(gateway: &Gateway) -> Legacy {
    Legacy::open_with(gateway, "2025-11-25", ROOTED).await
}

/// A call from its start to its end; what came of it stays, so that its server can say more.
async fn called(upstream: &Upstream, call: Client) -> Arrived {
    let mut arrived = upstream.take("tools/call").await;
    arrived.text_result("done").await;
    assert_eq!(text(call.answer().await).await, "done");
    arrived
}

/// The server asks, and the gateway has heard it.
async fn asks(upstream: &Upstream, child: &mut Arrived, id: &str, method: &str) {
    child.ask(&json!(id), method, r#"{"message":"m","requestedSchema":{"type":"object","properties":{}}}"#).await;
    let heard = json!(format!("heard {id}"));
    child.ask(&heard, "ping", "{}").await;
    upstream.answer(&heard).await;
}

#[tokio::test]
async fn a_legacy_client_is_asked_before_its_next_call_is_sent() {
    for isolation in ["principal", "session"] {
        let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
        let gateway = gateway(&upstream, isolation).await;
        let client = legacy(&gateway).await;
        let mut child = called(&upstream, client.begin_call(1, "echo", "{}").await).await;
        asks(&upstream, &mut child, "r", "roots/list").await;
        let call = client.begin_call(2, "echo", "{}").await;
        let mut stream = call.answer().await;
        let asked = question(&mut stream).await;
        assert_eq!((asked["method"].as_str(), upstream.count("tools/call")), (Some("roots/list"), 1));
        client.reply(&asked["id"], ROOTS).await;
        assert_eq!(upstream.answer(&json!("r")).await.json["result"]["roots"][0]["uri"], "file:///mine");
        upstream.take("tools/call").await.text_result("rooted").await;
        assert_eq!(stream.message().await["result"]["content"][0]["text"], "rooted");
        called(&upstream, client.begin_call(3, "echo", "{}").await).await;
    }
}

#[tokio::test]
async fn a_modern_client_answers_in_a_round_before_its_call_is_sent_and_what_it_leaves_waits_for_the_next() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = gateway(&upstream, "principal").await;
    let client = Modern::of(&gateway).capable(r#"{"roots":{}}"#);
    let mut child = called(&upstream, client.begin_call(1, "echo", "{}").await).await;
    asks(&upstream, &mut child, "r", "roots/list").await;
    needed(client.begin_call(2, "echo", "{}").await).await;
    gateway.metric("myelin_parked_calls_expired_total", "1").await;
    let round = needed(client.begin_call(3, "echo", "{}").await).await;
    assert_eq!(upstream.count("tools/call"), 1, "nothing is executed before the server knows");
    let call = client.begin(4, "tools/call", &again(&round, &all(&round, ROOTS))).await;
    assert_eq!(upstream.answer(&json!("r")).await.json["result"]["roots"][0]["uri"], "file:///mine");
    called(&upstream, call).await;
    assert_eq!(upstream.count("tools/call"), 2);
}

#[tokio::test]
async fn roots_that_a_call_was_too_short_to_tell_are_asked_for_with_the_next() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = gateway(&upstream, "session").await;
    let client = legacy(&gateway).await;
    let call = client.begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.ask(&json!("r"), "roots/list", "{}").await;
    arrived.ask(&json!("f"), "elicitation/create", "{}").await;
    arrived.text_result("short").await;
    assert!(upstream.answer(&json!("f")).await.json["error"]["code"].is_i64(), "it was not declared");
    assert_eq!(call.answer().await.all().await.last().unwrap()["result"]["content"][0]["text"], "short");
    let mut stream = client.begin_call(2, "echo", "{}").await.answer().await;
    let asked = question(&mut stream).await;
    client.reply(&asked["id"], ROOTS).await;
    upstream.answer(&json!("r")).await;
    upstream.take("tools/call").await.text_result("rooted").await;
    assert_eq!(stream.message().await["result"]["content"][0]["text"], "rooted");
}

#[tokio::test]
async fn what_the_session_did_not_declare_is_answered_at_once_and_asked_of_nobody() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = gateway(&upstream, "session").await;
        let client = Legacy::open(&gateway).await;
        let mut child = called(&upstream, client.begin_call(1, "echo", "{}").await).await;
        if wire == Wire::Stdio {
            asks(&upstream, &mut child, "r", "roots/list").await;
            asks(&upstream, &mut child, "e", "elicitation/create").await;
            for id in ["r", "e"] {
                assert!(upstream.answer(&json!(id)).await.json["error"]["code"].is_i64());
            }
        }
        called(&upstream, client.begin_call(2, "echo", "{}").await).await;
    }
}

#[tokio::test]
async fn another_session_is_not_asked_what_the_child_of_this_one_wants_to_know() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = gateway(&upstream, "session").await;
    let (alice, bob) = (legacy(&gateway).await, legacy(&gateway).await);
    let mut of_alice = called(&upstream, alice.begin_call(1, "echo", "{}").await).await;
    called(&upstream, bob.begin_call(1, "echo", "{}").await).await;
    asks(&upstream, &mut of_alice, "r", "roots/list").await;
    called(&upstream, bob.begin_call(2, "echo", "{}").await).await;
    let mut stream = alice.begin_call(2, "echo", "{}").await.answer().await;
    let asked = question(&mut stream).await;
    bob.reply(&asked["id"], r#"{"roots":[{"uri":"file:///bobs"}]}"#).await;
    alice.reply(&asked["id"], ROOTS).await;
    assert_eq!(upstream.answer(&json!("r")).await.json["result"]["roots"][0]["uri"], "file:///mine");
    upstream.take("tools/call").await.text_result("rooted").await;
    assert_eq!(stream.message().await["result"]["content"][0]["text"], "rooted");
}

#[tokio::test]
async fn changed_roots_are_told_to_the_children_of_the_session_and_to_no_shared_one() {
    for (isolation, declared) in [("session", json!({ "roots": { "listChanged": true } })), ("shared", json!({}))] {
        let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
        upstream.takes("initialize");
        let gateway = gateway(&upstream, isolation).await;
        let greeting = async {
            let mut child = upstream.take("initialize").await;
            let answer = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"it","version":"1"}}"#;
            upstream.leaves("initialize");
            child.result(answer).await;
            child
        };
        let (client, child) = tokio::join!(legacy(&gateway), greeting);
        assert_eq!(child.params()["capabilities"], declared, "{isolation}");
        called(&upstream, client.begin_call(1, "echo", "{}").await).await;
        client.tell("notifications/roots/list_changed", "").await;
        match isolation {
            "session" => drop(upstream.take("notifications/roots/list_changed").await),
            _ => {
                let told = upstream.take("notifications/roots/list_changed");
                never("a shared child hears of somebody's roots", Duration::from_millis(300), told).await;
                // Whatever others can be asked, all share one child.
                let other = Legacy::open(&gateway).await;
                let two = called(&upstream, other.begin_call(1, "echo", "{}").await).await;
                assert_eq!(two.connection(), child.connection());
            }
        }
    }
}
