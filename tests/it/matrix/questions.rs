//! What servers ask clients in mid-call, whichever shape each side has for it.

use serde_json::{Value, json};

use super::{
    Seen,
    client::Talk,
    foreign::{told, told_to_the_server},
    ground::Ground,
};
use crate::kit::{Era, raw_member};

const FORM: &str =
    r#""requestedSchema":{"type":"object","properties":{"n":{"type":"number","default":1.10}},"x-ui":{}}"#;
const GIVEN: &str = r#"{"action":"accept","content":{"n":1e2,"name":"é\u0041"}}"#;

/// One question in a call of a tool: what the client was asked, after the server heard exactly what the client said.
async fn one_question(ground: &Ground, capabilities: &str, method: &str, params: &str, given: &str) -> Talk {
    let client = ground.client(capabilities).await;
    let members = format!(r#""name":"{}","arguments":{{"n":1.10}}"#, ground.name("echo"));
    let serving = async {
        let mut arrived = ground.server.take("tools/call").await;
        assert_eq!(ground.ask(&mut arrived, method, params).await, given);
        assert_eq!(raw_member(&arrived.text, &["params", "arguments"]), r#"{"n":1.10}"#);
        arrived.result(&ground.result(r#""content":[{"type":"text","text":"done"}]"#)).await;
    };
    let (talk, ()) = tokio::join!(client.converse("tools/call", &members, |_| given.to_owned()), serving);
    assert_eq!(talk.text(), "done");
    ground.checks_form(&talk.response);
    assert_eq!(talk.asked.len(), 1, "asked once: {talk:?}");
    assert_eq!(talk.asked[0].0, method);
    ground.is_between_two("tools/call");
    talk
}

pub(super) async fn elicitation_form(ground: &Ground) -> Seen {
    let params = format!(r#"{{"mode":"form","message":"What is n?",{FORM}}}"#);
    let talk = one_question(ground, r#"{"elicitation":{}}"#, "elicitation/create", &params, GIVEN).await;
    let asked = &talk.asked[0].1;
    assert_eq!(format!(r#""requestedSchema":{}"#, raw_member(asked, &["requestedSchema"])), FORM);
    assert!(raw_member(asked, &["message"]).ends_with(r#"What is n?""#), "{asked}");
    Ok(())
}

pub(super) async fn elicitation_url(ground: &Ground) -> Seen {
    let own_id = if ground.cell.server == Era::Legacy { r#","elicitationId":"e-1""# } else { "" };
    let params = format!(r#"{{"mode":"url","message":"Sign in","url":"https://a.example/x?y=%20"{own_id}}}"#);
    let consent = r#"{"action":"accept"}"#;
    let talk = one_question(ground, r#"{"elicitation":{"url":{}}}"#, "elicitation/create", &params, consent).await;
    let asked: Value = serde_json::from_str(&talk.asked[0].1).unwrap();
    assert_eq!((&asked["mode"], &asked["url"]), (&json!("url"), &json!("https://a.example/x?y=%20")));
    // 2025-11-25 has an id for the way back, 2026-07-28 has none.
    assert_eq!(asked["elicitationId"].is_string(), ground.cell.client == Era::Legacy, "{asked}");
    Ok(())
}

pub(super) async fn sampling(ground: &Ground) -> Seen {
    let params = r#"{"messages":[{"role":"user","content":{"type":"text","text":"\u0041"}}],"maxTokens":100,"temperature":0.10,"x":1e2}"#;
    let sampled = r#"{"role":"assistant","content":{"type":"text","text":"B"},"model":"m","n":1.10}"#;
    let talk = one_question(ground, r#"{"sampling":{}}"#, "sampling/createMessage", params, sampled).await;
    assert_eq!(talk.asked[0].1, params);
    Ok(())
}

pub(super) async fn sampling_with_tools(ground: &Ground) -> Seen {
    let params = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"?"}]}],"maxTokens":9,"tools":[{"name":"t","inputSchema":{"type":"object"}}],"toolChoice":{"mode":"required"}}"#;
    let sampled = r#"{"role":"assistant","content":[{"type":"tool_use","id":"u","name":"t","input":{"n":1.10}}],"model":"m","stopReason":"toolUse"}"#;
    let talk = one_question(ground, r#"{"sampling":{"tools":{}}}"#, "sampling/createMessage", params, sampled).await;
    assert_eq!(talk.asked[0].1, params);
    Ok(())
}

pub(super) async fn roots(ground: &Ground) -> Seen {
    let told = r#"{"roots":[{"uri":"file:///a%20b","name":"é"}]}"#;
    one_question(ground, r#"{"roots":{}}"#, "roots/list", "{}", told).await;
    Ok(())
}

const KINDS: [(&str, &str, &str); 3] = [
    (
        "elicitation/create",
        r#"{"message":"?","requestedSchema":{"type":"object","properties":{}}}"#,
        r#"{"action":"decline"}"#,
    ),
    ("roots/list", "{}", r#"{"roots":[]}"#),
    (
        "sampling/createMessage",
        r#"{"messages":[],"maxTokens":1}"#,
        r#"{"role":"assistant","content":{"type":"text","text":""},"model":"m"}"#,
    ),
];

/// Three rounds, each with another kind of question.
pub(super) async fn multi_round(ground: &Ground) -> Seen {
    let client = ground.client(r#"{"elicitation":{},"sampling":{},"roots":{}}"#).await;
    let reply = |method: &str| KINDS.iter().find(|(kind, _, _)| *kind == method).expect("a kind").2.to_owned();
    let serving = async {
        let mut arrived = ground.server.take("prompts/get").await;
        assert_eq!(arrived.params()["name"], "greet");
        for (method, params, given) in KINDS {
            assert_eq!(ground.ask(&mut arrived, method, params).await, given);
        }
        arrived.result(&ground.result(r#""messages":[]"#)).await;
    };
    let members = format!(r#""name":"{}""#, ground.name("greet"));
    let (talk, ()) = tokio::join!(client.converse("prompts/get", &members, reply), serving);
    assert_eq!(talk.asked.iter().map(|(method, _)| &**method).collect::<Vec<_>>(), KINDS.map(|(method, _, _)| method));
    assert_eq!(talk.response["result"]["messages"], json!([]));
    let rounds = if ground.cell.server == Era::Modern { KINDS.len() + 1 } else { 1 };
    assert_eq!(ground.server.count("prompts/get"), rounds, "a legacy server's call is never repeated");
    Ok(())
}

/// A server that asks what the client never said it could be asked.
pub(super) async fn undeclared(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let members = format!(r#""name":"{}","arguments":{{}}"#, ground.name("echo"));
    let call = client.begin(1, "tools/call", &members).await;
    let mut arrived = ground.server.take("tools/call").await;
    let (method, params, _) = KINDS[0];
    if ground.cell.server == Era::Modern {
        ground.need(&mut arrived, method, params).await;
        return told(call.answer().await).await;
    }
    arrived.ask(&json!("q"), method, params).await;
    if ground.cell.client == Era::Modern {
        let cancelled = ground.server.take("notifications/cancelled").await;
        assert_eq!(cancelled.params()["requestId"], *arrived.id(), "nobody can answer the call any more");
        return told(call.answer().await).await;
    }
    let refusal = told_to_the_server(&ground.server.answer(&json!("q")).await.json);
    arrived.result(&ground.result(r#""content":[]"#)).await;
    let messages = call.answer().await.all().await;
    assert_eq!(messages.len(), 1, "the call goes on and the client is asked nothing: {messages:?}");
    ground.checks_form(&messages[0]);
    Err(refusal)
}
