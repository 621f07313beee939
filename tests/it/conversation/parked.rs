//! Calls that wait for their client: what brings them back, what does not, and what becomes of those that are left.

use serde_json::{Value, json};

use super::{again, all, needed, needs, text};
use crate::kit::{Era, Gateway, Modern, Upstream, Wire, config};

const ASKABLE: &str = r#"{"elicitation":{},"sampling":{},"roots":{}}"#;
const FORM: &str = r#"{"message":"Name?","requestedSchema":{"type":"object","properties":{}}}"#;
const GIVEN: &str = r#"{"action":"accept","content":{}}"#;

async fn gateway(upstream: &Upstream, questions: Value) -> Gateway {
    let mut settings = config(&[("up", upstream)]);
    settings["questions"] = questions;
    Gateway::start(settings).await
}

fn client(gateway: &Gateway) -> Modern {
    Modern::of(gateway).capable(ASKABLE)
}

#[tokio::test]
async fn a_token_is_of_no_use_for_another_method_or_other_arguments_and_stays_good_for_its_own() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = gateway(&upstream, json!({})).await;
    let call = client(&gateway).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.ask(&json!(1), "elicitation/create", FORM).await;
    let round = needed(call).await;
    let answers = all(&round, GIVEN);
    let members = again(&round, &answers);
    let other = members.replace(r#""arguments":{}"#, r#""arguments":{"x":1}"#);
    client(&gateway).send(2, "tools/call", &other).await.refused(200, -32602).await;
    client(&gateway).send(2, "tools/call", &members.replace("echo", "other")).await.refused(200, -32602).await;
    client(&gateway).send(2, "prompts/get", &members.replace("echo", "greet")).await.refused(200, -32602).await;
    let uri = members.replace(r#""name":"echo""#, r#""uri":"it://one""#);
    let refusal = client(&gateway).send(2, "resources/read", &uri).await.refused(200, -32602).await;
    assert_eq!(refusal["error"]["data"]["reason"], "request_state_invalid");
    for method in ["prompts/get", "resources/read"] {
        assert_eq!(upstream.count(method), 0);
    }
    gateway.metric("myelin_parked_calls", "1").await;
    let call = client(&gateway).begin(3, "tools/call", &members).await;
    upstream.answer(&json!(1)).await;
    arrived.text_result("once").await;
    assert_eq!(text(call.answer().await).await, "once");
    gateway.metric("myelin_parked_calls", "0").await;
    // Used up.
    let refusal = client(&gateway).send(4, "tools/call", &members).await.refused(200, -32602).await;
    assert_eq!(refusal["error"]["data"]["reason"], "request_state_expired");
    assert_eq!(upstream.count("tools/call"), 1);
}

#[tokio::test]
async fn a_round_of_another_principal_is_refused_and_stays_good_for_its_own() {
    for era in [Era::Legacy, Era::Modern] {
        let upstream = Upstream::new(era, Wire::Http).await;
        let mut settings = config(&[("up", &upstream)]);
        let keys = ["alice", "bob"].map(|id| json!({ "id": id, "token": format!("token-of-{id}-0123456789") }));
        settings["auth"] = json!({ "apiKeys": keys });
        let gateway = Gateway::start(settings).await;
        let [alice, bob] = ["alice", "bob"].map(|id| client(&gateway).bearing(&format!("token-of-{id}-0123456789")));
        let call = alice.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        match era {
            Era::Legacy => arrived.ask(&json!(1), "elicitation/create", FORM).await,
            Era::Modern => {
                let requests = format!(r#""q":{{"method":"elicitation/create","params":{FORM}}}"#);
                needs(&mut arrived, &requests, "s").await;
            }
        }
        let round = needed(call).await;
        let members = again(&round, &all(&round, GIVEN));
        let refusal = bob.send(2, "tools/call", &members).await.refused(200, -32602).await;
        assert!(refusal["error"]["data"]["reason"].is_string(), "{refusal}");
        assert_eq!(upstream.count("tools/call"), 1, "the other's answers reach nobody");
        let call = alice.begin(3, "tools/call", &members).await;
        if era == Era::Legacy {
            upstream.answer(&json!(1)).await;
        } else {
            arrived = upstream.take("tools/call").await;
        }
        arrived.text_result("hers").await;
        assert_eq!(text(call.answer().await).await, "hers");
    }
}

#[tokio::test]
async fn of_two_clients_that_bring_the_same_token_one_gets_the_call() {
    let upstream = Upstream::new(Era::Legacy, Wire::Http).await;
    let gateway = gateway(&upstream, json!({})).await;
    let call = client(&gateway).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.ask(&json!(1), "elicitation/create", FORM).await;
    let round = needed(call).await;
    let members = again(&round, &all(&round, GIVEN));
    let mut calls = Vec::new();
    for id in 2..6 {
        calls.push(client(&gateway).begin(id, "tools/call", &members).await);
    }
    upstream.answer(&json!(1)).await;
    arrived.text_result("once").await;
    let mut won = 0;
    for call in calls {
        let response = call.answer().await.response().await;
        won += usize::from(response["result"].is_object());
        assert!(response["result"].is_object() || response["error"]["code"] == -32602, "{response}");
    }
    assert_eq!((won, upstream.count("tools/call")), (1, 1));
}

#[tokio::test]
async fn an_abandoned_call_is_cancelled_when_it_expires_and_its_token_is_then_of_no_use() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = gateway(&upstream, json!({ "lifetime": "1s" })).await;
        let call = client(&gateway).begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.ask(&json!("form"), "elicitation/create", FORM).await;
        arrived.ask(&json!("model"), "sampling/createMessage", r#"{"messages":[],"maxTokens":1}"#).await;
        arrived.progress(1).await;
        let round = needed(call).await;
        assert_eq!(upstream.take("notifications/cancelled").await.params()["requestId"], *arrived.id());
        // The server does not wait for answers that never come.
        assert_eq!(upstream.answer(&json!("form")).await.json["result"], json!({ "action": "cancel" }));
        assert_eq!(upstream.answer(&json!("model")).await.json["error"]["code"], -1);
        gateway.metric("myelin_parked_calls_expired_total", "1").await;
        gateway.metric("myelin_parked_calls", "0").await;
        let late = again(&round, &all(&round, GIVEN));
        let refusal = client(&gateway).send(2, "tools/call", &late).await.refused(200, -32602).await;
        assert_eq!(refusal["error"]["data"]["reason"], "request_state_expired");
        assert_eq!(upstream.count("tools/call"), 1, "it is not executed again");
    }
}

#[tokio::test]
async fn one_call_more_than_may_be_parked_is_refused_and_cancelled_and_the_others_go_on() {
    for limits in [json!({ "maxParked": 2 }), json!({ "maxParkedPerPrincipal": 2 })] {
        let upstream = Upstream::new(Era::Legacy, Wire::Http).await;
        let gateway = gateway(&upstream, limits).await;
        let mut parked = Vec::new();
        for id in 1..=2 {
            let call = client(&gateway).begin_call(id, "echo", "{}").await;
            let mut arrived = upstream.take("tools/call").await;
            arrived.ask(&json!(id), "elicitation/create", FORM).await;
            parked.push((arrived, needed(call).await));
        }
        let call = client(&gateway).begin_call(3, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.ask(&json!(3), "elicitation/create", FORM).await;
        let refusal = call.answer().await.refused(503, 1004).await;
        assert!(refusal["error"]["data"]["retryAfterMs"].is_u64(), "{refusal}");
        assert_eq!(upstream.take("notifications/cancelled").await.params()["requestId"], *arrived.id());
        gateway.metric(r#"myelin_refused_by_limit_total{limit="parked"}"#, "1").await;
        for (id, (mut arrived, round)) in (1..).zip(parked) {
            let call = client(&gateway).begin(id, "tools/call", &again(&round, &all(&round, GIVEN))).await;
            upstream.answer(&json!(id)).await;
            arrived.text_result("went on").await;
            assert_eq!(text(call.answer().await).await, "went on");
        }
    }
}

#[tokio::test]
async fn a_call_that_asks_too_often_fails_in_both_eras() {
    for era in [Era::Legacy, Era::Modern] {
        let upstream = Upstream::new(era, Wire::Http).await;
        let gateway = gateway(&upstream, json!({ "maxRounds": 2 })).await;
        let mut call = client(&gateway).begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        for round in 1..=3 {
            match era {
                Era::Legacy => arrived.ask(&json!(round), "elicitation/create", FORM).await,
                Era::Modern => {
                    let asked = format!(r#""k":{{"method":"elicitation/create","params":{FORM}}}"#);
                    needs(&mut arrived, &asked, "s").await;
                }
            }
            if round == 3 {
                break;
            }
            let asked = needed(call).await;
            call = client(&gateway).begin(round + 1, "tools/call", &again(&asked, &all(&asked, GIVEN))).await;
            match era {
                Era::Legacy => drop(upstream.answer(&json!(round)).await),
                Era::Modern => arrived = upstream.take("tools/call").await,
            }
        }
        call.answer().await.refused(200, -32603).await;
        if era == Era::Legacy {
            upstream.take("notifications/cancelled").await;
        }
    }
}
