//! Which server asks: said to users where several servers stand behind one endpoint, and nowhere else.

use serde_json::{Value, json};

use super::{needed, needs, question};
use crate::kit::{Era, Gateway, Legacy, Modern, Upstream, Wire, config, raw_member};

const ABLE: &str = r#"{"elicitation":{"form":{},"url":{}},"sampling":{}}"#;
const FORM: &str = r#"{"message":"N\u0061me?","requestedSchema":{"type":"object","properties":{"n":{"type":"number","minimum":1.10}}}}"#;
const MODEL: &str = r#"{"messages":[],"maxTokens":1,"message":"m"}"#;

/// What the client is asked by a call of `files__echo` that its server does not answer.
async fn asked(server: Era, client: Era, endpoint: &str, tool: &str, gateway: &Gateway, upstream: &Upstream) -> Value {
    let (modern, legacy) = match client {
        Era::Modern => (Some(Modern::of(gateway).at(endpoint).capable(ABLE).begin_call(1, tool, "{}").await), None),
        Era::Legacy => {
            assert_eq!(endpoint, "/mcp");
            (None, Some(Legacy::open_with(gateway, "2025-11-25", ABLE).await.begin_call(1, tool, "{}").await))
        }
    };
    let mut arrived = upstream.take("tools/call").await;
    match server {
        Era::Modern => {
            let requests = format!(
                r#""f":{{"method":"elicitation/create","params":{FORM}}},"m":{{"method":"sampling/createMessage","params":{MODEL}}}"#
            );
            needs(&mut arrived, &requests, "s").await;
        }
        Era::Legacy => {
            arrived.ask(&json!(1), "elicitation/create", FORM).await;
            arrived.ask(&json!(2), "sampling/createMessage", MODEL).await;
        }
    }
    if let Some(call) = modern {
        let requests = needed(call).await["inputRequests"].clone();
        return requests.as_object().unwrap().values().cloned().collect::<Vec<_>>().into();
    }
    let mut stream = legacy.unwrap().answer().await;
    let (first, second) = (question(&mut stream).await, question(&mut stream).await);
    json!([first, second])
}

#[tokio::test]
async fn where_there_are_several_servers_a_user_is_told_which_one_asks() {
    for server in [Era::Modern, Era::Legacy] {
        let (upstream, other) = (Upstream::new(server, Wire::Http).await, Upstream::new(server, Wire::Http).await);
        let mut settings = config(&[("files", &upstream), ("other", &other)]);
        settings["endpoints"] =
            json!({ "/mcp": { "servers": ["*"] }, "/one/mcp": { "servers": ["files"], "names": "prefixed" } });
        let gateway = Gateway::start(settings).await;
        for (client, endpoint, message) in [
            (Era::Modern, "/mcp", "[files] Name?"),
            (Era::Legacy, "/mcp", "[files] Name?"),
            (Era::Modern, "/one/mcp", "Name?"),
        ] {
            let asked = asked(server, client, endpoint, "files__echo", &gateway, &upstream).await;
            assert_eq!(asked[0]["params"]["message"], message, "{asked}");
            assert_eq!(asked[0]["params"]["requestedSchema"]["properties"]["n"]["minimum"], json!(1.1));
            assert_eq!(asked[1]["params"], serde_json::from_str::<Value>(MODEL).unwrap(), "what a model reads stays");
        }
    }
}

#[tokio::test]
async fn where_there_is_one_server_its_question_stays_as_it_is() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = Gateway::over(&upstream).await;
    let call = Legacy::open_with(&gateway, "2025-11-25", ABLE).await.begin_call(1, "echo", "{}").await;
    upstream.take("tools/call").await.ask(&json!(1), "elicitation/create", FORM).await;
    let mut stream = call.answer().await;
    let mut asked = stream.message_text().await.unwrap();
    while !asked.contains("elicitation/create") {
        asked = stream.message_text().await.unwrap();
    }
    assert_eq!(raw_member(&asked, &["params"]), FORM);
}

#[tokio::test]
async fn urls_that_are_required_first_say_who_requires_them() {
    let (upstream, other) =
        (Upstream::new(Era::Legacy, Wire::Http).await, Upstream::new(Era::Legacy, Wire::Http).await);
    let mut settings = config(&[("files", &upstream), ("other", &other)]);
    settings["endpoints"] = json!({ "/mcp": { "servers": ["*"] } });
    let gateway = Gateway::start(settings).await;
    let required = r#"{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x.example/a","message":"Sign in"}],"n":1.10}"#;
    let legacy = Legacy::open_with(&gateway, "2025-11-25", ABLE).await.begin_call(1, "files__echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    let error = |id: &Value| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32042,"message":"Visit","data":{required}}}}}"#)
    };
    arrived.finish(&error(arrived.id())).await;
    let told = legacy.answer().await.response_text().await;
    assert_eq!(raw_member(&told, &["error", "data"]), required.replace("Sign in", "[files] Sign in"));
    let modern = Modern::of(&gateway).capable(ABLE).begin_call(1, "files__echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.finish(&error(arrived.id())).await;
    let round = needed(modern).await;
    let asked = round["inputRequests"].as_object().unwrap().values().next().unwrap();
    let expected = json!({ "mode": "url", "url": "https://x.example/a", "message": "[files] Sign in" });
    assert_eq!(asked["params"], expected);
}
