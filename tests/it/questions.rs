//! Questions of servers: asked of the one whose call caused them, in the form of their era, and answered once.

use serde_json::{Value, json};

use crate::kit::{Arrived, Client, Era, Gateway, Legacy, Modern, Upstream, Wire, config, question, raw_member, text};

const ASKABLE: &str = r#"{"elicitation":{},"sampling":{},"roots":{}}"#;
const FORM: &str = r#"{"message":"Name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}"#;
const GIVEN: &str = r#"{"action":"accept","content":{"name":"é\u0041"}}"#;

fn modern(gateway: &Gateway) -> Modern {
    Modern::of(gateway).capable(ASKABLE)
}

async fn legacy(gateway: &Gateway) -> Legacy {
    Legacy::open_with(gateway, "2025-11-25", ASKABLE).await
}

/// Ends a call with questions, as a modern server does.
async fn needs(arrived: &mut Arrived, requests: &str, state: Option<&str>) {
    let state = state.map_or_else(String::new, |state| format!(r#","requestState":"{state}""#));
    let requests = if requests.is_empty() { String::new() } else { format!(r#","inputRequests":{{{requests}}}"#) };
    arrived.result(&format!(r#"{{"resultType":"input_required"{requests}{state}}}"#)).await;
}

fn form(key: &str) -> String {
    format!(r#""{key}":{{"method":"elicitation/create","params":{FORM}}}"#)
}

/// The state of an answer that needs input, and the keys that it asks for.
async fn needed(call: Client) -> (String, Vec<String>) {
    let response = call.answer().await.response().await;
    let result = &response["result"];
    assert_eq!(result["resultType"], "input_required", "{response}");
    let keys =
        result["inputRequests"].as_object().map(|requests| requests.keys().cloned().collect()).unwrap_or_default();
    (result["requestState"].as_str().unwrap_or("").to_owned(), keys)
}

/// The call `echo` repeated with answers.
fn again(state: &str, answers: &str) -> String {
    format!(r#""name":"echo","arguments":{{}},"requestState":"{state}","inputResponses":{{{answers}}}"#)
}

#[tokio::test]
async fn a_modern_client_answers_a_modern_server_in_rounds() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Modern, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let client = modern(&gateway);
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        let declared = &arrived.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"];
        assert_eq!(*declared, serde_json::from_str::<Value>(ASKABLE).unwrap());
        needs(&mut arrived, &form("who"), Some("round one")).await;
        let (state, keys) = needed(call).await;
        assert_eq!(keys, ["who"]);
        assert_ne!(state, "round one", "the server's state goes out sealed");
        let call = client.begin(2, "tools/call", &again(&state, &format!(r#""who":{GIVEN}"#))).await;
        let mut arrived = upstream.take("tools/call").await;
        assert_eq!(arrived.params()["requestState"], "round one");
        assert_eq!(raw_member(&arrived.text, &["params", "inputResponses", "who"]), GIVEN);
        arrived.text_result("thanks").await;
        assert_eq!(text(call.answer().await).await, "thanks");
    }
}

#[tokio::test]
async fn a_legacy_client_is_asked_for_a_modern_server_round_after_round() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Modern, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let client = legacy(&gateway).await;
        let call = client.begin_call(1, "echo", "{}").await;
        let requests = format!(r#"{},"where":{{"method":"roots/list"}}"#, form("who"));
        needs(&mut upstream.take("tools/call").await, &requests, Some("one")).await;
        let mut stream = call.answer().await;
        let (first, second) = (question(&mut stream).await, question(&mut stream).await);
        assert_eq!(
            (first["method"].as_str(), second["method"].as_str()),
            (Some("elicitation/create"), Some("roots/list"))
        );
        // The answers come in the other order.
        client.reply(&second["id"], r#"{"roots":[{"uri":"file:///x"}]}"#).await;
        client.reply(&first["id"], GIVEN).await;
        let mut arrived = upstream.take("tools/call").await;
        assert_eq!(arrived.params()["requestState"], "one");
        assert_eq!(raw_member(&arrived.text, &["params", "inputResponses", "who"]), GIVEN);
        assert_eq!(arrived.params()["inputResponses"]["where"]["roots"][0]["uri"], "file:///x");
        // A state alone means "later": the gateway comes back by itself.
        needs(&mut arrived, "", Some("two")).await;
        let mut arrived = upstream.take("tools/call").await;
        assert_eq!(
            (&arrived.params()["requestState"], &arrived.params()["inputResponses"]),
            (&json!("two"), &Value::Null)
        );
        needs(&mut arrived, &form("more"), None).await;
        let third = question(&mut stream).await;
        client.reply(&third["id"], r#"{"action":"decline"}"#).await;
        let mut arrived = upstream.take("tools/call").await;
        assert!(arrived.params()["requestState"].is_null());
        assert_eq!(arrived.params()["inputResponses"], json!({ "more": { "action": "decline" } }));
        arrived.text_result("at last").await;
        assert_eq!(stream.message().await["result"]["content"][0]["text"], "at last");
    }
}

#[tokio::test]
async fn a_modern_client_is_asked_for_a_legacy_server_and_its_call_waits() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let client = modern(&gateway).meta(r#""progressToken":"p""#);
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.ask(&json!("q1"), "elicitation/create", FORM).await;
        arrived.ask(&json!(2), "roots/list", "{}").await;
        let (state, keys) = needed(call).await;
        assert_eq!(keys.len(), 2);
        // One of two answers: the other one is asked for again, and what the server says meanwhile is kept.
        arrived.progress(5).await;
        let call = client.begin(2, "tools/call", &again(&state, &format!(r#""{}":{GIVEN}"#, keys[0]))).await;
        let answered = upstream.answer(&json!("q1")).await;
        assert_eq!(raw_member(&answered.text, &["result"]), GIVEN);
        let messages = call.answer().await.all().await;
        let (last, before) = messages.split_last().unwrap();
        assert_eq!(before.iter().map(|message| &message["params"]["progress"]).collect::<Vec<_>>(), [&json!(5)]);
        let result = &last["result"];
        assert_eq!(result["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), [&keys[1]]);
        let state = result["requestState"].as_str().unwrap();
        let call = client.begin(3, "tools/call", &again(state, &format!(r#""{}":{{"roots":[]}}"#, keys[1]))).await;
        assert_eq!(upstream.answer(&json!(2)).await.json["result"], json!({ "roots": [] }));
        arrived.text_result("both").await;
        assert_eq!(text(call.answer().await).await, "both");
        assert_eq!(upstream.count("tools/call"), 1, "a parked call is not repeated");
    }
}

#[tokio::test]
async fn tokens_that_are_forged_foreign_or_used_are_refused_and_nothing_runs_twice() {
    for era in [Era::Legacy, Era::Modern] {
        let upstream = Upstream::new(era, Wire::Http).await;
        let gateway = Gateway::over(&upstream).await;
        let client = modern(&gateway);
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        match era {
            Era::Legacy => arrived.ask(&json!(1), "elicitation/create", FORM).await,
            Era::Modern => needs(&mut arrived, &form("who"), Some("state")).await,
        }
        let (state, keys) = needed(call).await;
        let answers = format!(r#""{}":{GIVEN}"#, keys[0]);
        let mut altered = state.clone().into_bytes();
        altered[20] = if altered[20] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        for forged in ["", "x", &altered, &format!("{state}A")] {
            client.send(2, "tools/call", &again(forged, &answers)).await.refused(200, -32602).await;
        }
        // For another call, and of another gateway.
        let other = again(&state, &answers).replace(r#""arguments":{}"#, r#""arguments":{"x":1}"#);
        client.send(2, "tools/call", &other).await.refused(200, -32602).await;
        let elsewhere = Gateway::over(&upstream).await;
        modern(&elsewhere).send(2, "tools/call", &again(&state, &answers)).await.refused(200, -32602).await;
        assert_eq!(upstream.count("tools/call"), 1, "nothing was executed meanwhile");
        let call = client.begin(3, "tools/call", &again(&state, &answers)).await;
        match era {
            Era::Legacy => drop(upstream.answer(&json!(1)).await),
            Era::Modern => arrived = upstream.take("tools/call").await,
        }
        arrived.text_result("once").await;
        assert_eq!(text(call.answer().await).await, "once");
        if era == Era::Legacy {
            // What was parked is gone; a modern server minds its own state.
            client.send(4, "tools/call", &again(&state, &answers)).await.refused(200, -32602).await;
            assert_eq!(upstream.count("tools/call"), 1);
        }
    }
}

#[tokio::test]
async fn a_question_that_the_client_did_not_declare_is_not_put() {
    for (era, wire) in [(Era::Legacy, Wire::Http), (Era::Legacy, Wire::Stdio)] {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let plain = Legacy::open(&gateway).await;
        let call = plain.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.ask(&json!(1), "elicitation/create", FORM).await;
        assert!(upstream.answer(&json!(1)).await.json["error"]["code"].is_i64());
        arrived.text_result("went on").await;
        let messages = call.answer().await.all().await;
        assert!(messages.iter().all(|message| message["method"] != "elicitation/create"), "{messages:?}");
        assert_eq!(messages.last().unwrap()["result"]["content"][0]["text"], "went on");
    }
}

#[tokio::test]
async fn the_question_of_a_legacy_server_reaches_only_the_session_that_called() {
    for wire in [Wire::Http, Wire::Stdio] {
        for isolation in ["principal", "session"] {
            let upstream = Upstream::new(Era::Legacy, wire).await;
            let mut settings = config(&[("up", &upstream)]);
            settings["mcpServers"]["up"]["pool"] = json!({ "isolation": isolation });
            let gateway = Gateway::start(settings).await;
            let (alice, bob) = (legacy(&gateway).await, legacy(&gateway).await);
            let of_alice = alice.begin_call(1, "echo", r#"{"of":"alice"}"#).await;
            let mut for_alice = upstream.take("tools/call").await;
            let of_bob = bob.begin_call(1, "echo", r#"{"of":"bob"}"#).await;
            let mut for_bob = upstream.take("tools/call").await;
            for_alice.ask(&json!(7), "elicitation/create", FORM).await;
            let mut hers = of_alice.answer().await;
            let asked = question(&mut hers).await;
            // Bob guesses the number of her question.
            bob.reply(&asked["id"], r#"{"action":"accept","content":{"name":"bob"}}"#).await;
            for_bob.text_result("for bob").await;
            assert_eq!(text(of_bob.answer().await).await, "for bob");
            alice.reply(&asked["id"], GIVEN).await;
            assert_eq!(raw_member(&upstream.answer(&json!(7)).await.text, &["result"]), GIVEN);
            for_alice.text_result("for alice").await;
            assert_eq!(hers.message().await["result"]["content"][0]["text"], "for alice");
        }
    }
}

#[tokio::test]
async fn a_question_is_taken_back_when_its_server_takes_it_back() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let client = legacy(&gateway).await;
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.ask(&json!("q"), "elicitation/create", FORM).await;
        let mut stream = call.answer().await;
        let asked = question(&mut stream).await;
        arrived.notice("notifications/cancelled", r#""requestId":"q""#).await;
        let taken_back = stream.message().await;
        assert_eq!(
            (&taken_back["method"], &taken_back["params"]["requestId"]),
            (&json!("notifications/cancelled"), &asked["id"])
        );
        arrived.text_result("never mind").await;
        assert_eq!(stream.message().await["result"]["content"][0]["text"], "never mind");
    }
}

#[tokio::test]
async fn a_sampling_request_and_its_answer_pass_unchanged() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Legacy, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let client = legacy(&gateway).await;
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        let params = r#"{"messages":[{"role":"user","content":{"type":"text","text":"\u0041"}}],"maxTokens":100,"temperature":0.10,"x":1e2}"#;
        arrived.ask(&json!(1), "sampling/createMessage", params).await;
        let mut stream = call.answer().await;
        let mut asked = stream.message_text().await.unwrap();
        while !asked.contains("sampling/createMessage") {
            asked = stream.message_text().await.unwrap();
        }
        assert_eq!(raw_member(&asked, &["params"]), params);
        let sampled = r#"{"role":"assistant","content":{"type":"text","text":"B"},"model":"m","n":1.10}"#;
        client.reply(raw_member(&asked, &["id"]), sampled).await;
        assert_eq!(raw_member(&upstream.answer(&json!(1)).await.text, &["result"]), sampled);
        arrived.text_result("sampled").await;
        assert_eq!(stream.message().await["result"]["content"][0]["text"], "sampled");
    }
}

#[tokio::test]
async fn a_call_whose_client_goes_while_it_is_asked_is_cancelled() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["sessions"] = json!({ "resumeGrace": "100ms" });
    let gateway = Gateway::start(settings).await;
    let client = legacy(&gateway).await;
    let call = client.begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.ask(&json!("q"), "elicitation/create", FORM).await;
    let mut stream = call.answer().await;
    question(&mut stream).await;
    drop(stream);
    let cancelled = upstream.take("notifications/cancelled").await;
    assert_eq!(cancelled.params()["requestId"], *arrived.id());
}

#[tokio::test]
async fn roots_asked_for_between_calls_are_answered_by_the_session_that_the_child_belongs_to() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["pool"] = json!({ "isolation": "session" });
    let gateway = Gateway::start(settings).await;
    let client = legacy(&gateway).await;
    let call = client.begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.ask(&json!("r"), "roots/list", "{}").await;
    let mut stream = call.answer().await;
    let asked = question(&mut stream).await;
    client.reply(&asked["id"], r#"{"roots":[{"uri":"file:///mine"}]}"#).await;
    assert_eq!(upstream.answer(&json!("r")).await.json["result"]["roots"][0]["uri"], "file:///mine");
    arrived.text_result("rooted").await;
    assert_eq!(stream.message().await["result"]["content"][0]["text"], "rooted");
    client.tell("notifications/roots/list_changed", "").await;
    upstream.take("notifications/roots/list_changed").await;
}

#[tokio::test]
async fn roots_asked_for_right_after_the_handshake_reach_the_client_with_its_first_call() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    upstream.takes("notifications/initialized");
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["pool"] = json!({ "isolation": "session" });
    let gateway = Gateway::start(settings).await;
    let opening = legacy(&gateway);
    let able = |arrived: &Arrived| arrived.method() == "initialize";
    upstream.takes("initialize");
    let starting = async {
        // The gateway may reach the server once on its own, with nothing that could be asked.
        loop {
            let mut child = upstream.take_if("initialize", able).await;
            let capabilities = child.params()["capabilities"].clone();
            let answer = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"it","version":"1"}}"#;
            child.result(answer).await;
            let mut initialized = upstream.take("notifications/initialized").await;
            if capabilities["roots"].is_object() {
                initialized.ask(&json!("early"), "roots/list", "{}").await;
                return;
            }
        }
    };
    let (client, ()) = tokio::join!(opening, starting);
    let call = client.begin_call(1, "echo", "{}").await;
    let mut stream = call.answer().await;
    let asked = question(&mut stream).await;
    assert_eq!(asked["method"], "roots/list");
    client.reply(&asked["id"], r#"{"roots":[{"uri":"file:///mine"}]}"#).await;
    assert_eq!(upstream.answer(&json!("early")).await.json["result"]["roots"][0]["uri"], "file:///mine");
    upstream.take("tools/call").await.text_result("rooted").await;
    assert_eq!(stream.message().await["result"]["content"][0]["text"], "rooted");
}
