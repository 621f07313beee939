//! Questions that older clients cannot be asked as they are: respelled, or refused in the way that each era has for it.

use serde_json::{Value, json};

use super::{again, all, needed, needs, question, text};
use crate::kit::{Era, Gateway, Legacy, Modern, Upstream, Wire};

const TITLED: &str = r#"{"mode":"form","message":"Which?","requestedSchema":{"type":"object","properties":{"c":{"type":"string","oneOf":[{"const":"r","title":"Red"},{"const":"g","title":"Green"}],"default":"r"}}}}"#;
const SEVERAL: &str = r#"{"mode":"form","message":"Which?","requestedSchema":{"type":"object","properties":{"c":{"type":"array","items":{"type":"string","enum":["r","g"]}}}}}"#;
const TOOLS: &str = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"t"}]}],"maxTokens":1,"tools":[{"name":"n","inputSchema":{"type":"object"}}],"toolChoice":{"mode":"auto"}}"#;
const USES: &str = r#"{"role":"assistant","model":"m","stopReason":"toolUse","content":[{"type":"tool_use","id":"u","name":"n","input":{"x":1.10}}]}"#;

fn request(method: &str, params: &str) -> String {
    format!(r#""k":{{"method":"{method}","params":{params}}}"#)
}

/// What a legacy client is told when a server asks for what it cannot be asked.
async fn told(call: crate::kit::Client) -> String {
    let messages = call.answer().await.all().await;
    let last = messages.last().unwrap();
    assert_eq!(last["result"]["isError"], true, "{messages:?}");
    assert!(messages.iter().all(|message| message["method"].is_null()), "nothing was asked: {messages:?}");
    last["result"]["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn titled_choices_are_respelled_for_clients_of_2025_06_18() {
    for era in [Era::Modern, Era::Legacy] {
        let upstream = Upstream::new(era, Wire::Http).await;
        let gateway = Gateway::over(&upstream).await;
        let client = Legacy::open_with(&gateway, "2025-06-18", r#"{"elicitation":{}}"#).await;
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        match era {
            Era::Modern => needs(&mut arrived, &request("elicitation/create", TITLED), "s").await,
            Era::Legacy => arrived.ask(&json!(1), "elicitation/create", TITLED).await,
        }
        let mut stream = call.answer().await;
        let asked = question(&mut stream).await;
        let expected = json!({ "message": "Which?", "requestedSchema": { "type": "object", "properties": {
            "c": { "type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"], "default": "r" } } } });
        assert_eq!(asked["params"], expected);
        client.reply(&asked["id"], r#"{"action":"accept","content":{"c":"g"}}"#).await;
        match era {
            Era::Modern => {
                arrived = upstream.take("tools/call").await;
                assert_eq!(arrived.params()["inputResponses"]["k"]["content"]["c"], "g");
            }
            Era::Legacy => assert_eq!(upstream.answer(&json!(1)).await.json["result"]["content"]["c"], "g"),
        }
        arrived.text_result("green").await;
        assert_eq!(stream.message().await["result"]["content"][0]["text"], "green");
    }
}

#[tokio::test]
async fn what_a_legacy_client_cannot_be_asked_fails_the_call_of_a_modern_server_in_words() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let url = r#"{"mode":"url","message":"m","url":"https://x.example"}"#;
    for (revision, capabilities, method, params, sentence) in [
        ("2025-06-18", r#"{"elicitation":{}}"#, "elicitation/create", SEVERAL, "form"),
        ("2025-11-25", r#"{"elicitation":{}}"#, "elicitation/create", url, r#"{"url":{}}"#),
        ("2025-06-18", r#"{"elicitation":{"url":{}}}"#, "elicitation/create", url, r#"{"url":{}}"#),
        ("2025-03-26", r#"{"elicitation":{}}"#, "elicitation/create", TITLED, r#"{"elicitation":{}}"#),
        ("2025-11-25", r#"{"sampling":{}}"#, "sampling/createMessage", TOOLS, r#"{"sampling":{"tools":{}}}"#),
        ("2025-06-18", r#"{"sampling":{"tools":{}}}"#, "sampling/createMessage", TOOLS, r#"{"tools":{}}"#),
        ("2025-11-25", "{}", "roots/list", "{}", r#"{"roots":{}}"#),
    ] {
        let client = Legacy::open_with(&gateway, revision, capabilities).await;
        let call = client.begin_call(1, "echo", "{}").await;
        needs(&mut upstream.take("tools/call").await, &request(method, params), "s").await;
        let told = told(call).await;
        assert!(told.contains(sentence), "{revision} {method}: {told}");
    }
}

#[tokio::test]
async fn a_modern_server_is_not_told_of_capabilities_that_a_client_cannot_mean() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let all =
        r#"{"roots":{"listChanged":true},"sampling":{"tools":{},"context":{}},"elicitation":{"form":{},"url":{}}}"#;
    for (revision, told) in [
        (
            "2025-11-25",
            json!({ "roots": {}, "sampling": { "tools": {}, "context": {} }, "elicitation": { "form": {}, "url": {} } }),
        ),
        ("2025-06-18", json!({ "roots": {}, "sampling": {}, "elicitation": {} })),
        ("2024-11-05", json!({ "roots": {}, "sampling": {} })),
    ] {
        let client = Legacy::open_with(&gateway, revision, all).await;
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        assert_eq!(arrived.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"], told, "{revision}");
        arrived.text_result("x").await;
        call.answer().await.response().await;
    }
}

#[tokio::test]
async fn a_modern_client_hears_which_capability_a_question_of_a_legacy_server_needs() {
    let upstream = Upstream::new(Era::Legacy, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let url = r#"{"mode":"url","message":"m","url":"https://x.example","elicitationId":"e"}"#;
    for (capabilities, method, params, needed) in [
        (r#"{"elicitation":{}}"#, "elicitation/create", url, json!({ "elicitation": { "url": {} } })),
        (r#"{"elicitation":{"url":{}}}"#, "elicitation/create", SEVERAL, json!({ "elicitation": {} })),
        (r#"{"sampling":{}}"#, "sampling/createMessage", TOOLS, json!({ "sampling": { "tools": {} } })),
        ("{}", "roots/list", "{}", json!({ "roots": {} })),
    ] {
        let call = Modern::of(&gateway).capable(capabilities).begin_call(1, "echo", "{}").await;
        upstream.take("tools/call").await.ask(&json!(1), method, params).await;
        let refusal = call.answer().await.refused(400, -32021).await;
        assert_eq!(refusal["error"]["data"]["requiredCapabilities"], needed);
        upstream.take("notifications/cancelled").await;
    }
}

#[tokio::test]
async fn what_a_modern_server_may_not_ask_its_client_is_not_asked() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    for (method, params) in [("elicitation/create", TITLED), ("sampling/createMessage", TOOLS), ("tools/call", "{}")] {
        let call = Modern::of(&gateway).capable(r#"{"sampling":{}}"#).begin_call(1, "echo", "{}").await;
        needs(&mut upstream.take("tools/call").await, &request(method, params), "s").await;
        let refusal = call.answer().await.refused(200, -32603).await;
        assert!(!refusal.to_string().contains("Which?"), "{refusal}");
    }
}

#[tokio::test]
async fn sampling_with_tools_crosses_the_eras_both_ways() {
    const ABLE: &str = r#"{"sampling":{"tools":{}}}"#;
    for era in [Era::Modern, Era::Legacy] {
        let upstream = Upstream::new(era, Wire::Http).await;
        let gateway = Gateway::over(&upstream).await;
        let expected: Value = serde_json::from_str(TOOLS).unwrap();
        let sampled: Value = serde_json::from_str(USES).unwrap();
        // A legacy client.
        let client = Legacy::open_with(&gateway, "2025-11-25", ABLE).await;
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        match era {
            Era::Modern => needs(&mut arrived, &request("sampling/createMessage", TOOLS), "s").await,
            Era::Legacy => arrived.ask(&json!(1), "sampling/createMessage", TOOLS).await,
        }
        let mut stream = call.answer().await;
        let asked = question(&mut stream).await;
        assert_eq!(asked["params"], expected);
        client.reply(&asked["id"], USES).await;
        match era {
            Era::Modern => {
                arrived = upstream.take("tools/call").await;
                assert_eq!(arrived.params()["inputResponses"]["k"], sampled);
            }
            Era::Legacy => assert_eq!(upstream.answer(&json!(1)).await.json["result"], sampled),
        }
        arrived.text_result("sampled").await;
        assert_eq!(stream.message().await["result"]["content"][0]["text"], "sampled");
        // A modern one.
        let client = Modern::of(&gateway).capable(ABLE);
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        match era {
            Era::Modern => needs(&mut arrived, &request("sampling/createMessage", TOOLS), "s").await,
            Era::Legacy => arrived.ask(&json!(2), "sampling/createMessage", TOOLS).await,
        }
        let round = needed(call).await;
        let asked = round["inputRequests"].as_object().unwrap().values().next().unwrap();
        assert_eq!(asked["params"], expected);
        let call = client.begin(2, "tools/call", &again(&round, &all(&round, USES))).await;
        match era {
            Era::Modern => {
                arrived = upstream.take("tools/call").await;
                assert_eq!(arrived.params()["inputResponses"]["k"], sampled);
            }
            Era::Legacy => assert_eq!(upstream.answer(&json!(2)).await.json["result"], sampled),
        }
        arrived.text_result("sampled").await;
        assert_eq!(text(call.answer().await).await, "sampled");
    }
}
