//! Requests and their answers: calls, pages, errors, sizes.

use serde_json::{Value, json};

use super::{
    Seen,
    ground::{Ground, TOOLS},
};
use crate::kit::{Answer, Era, raw_member};

const ARGUMENTS: &str = r#"{"n":1.10,"big":12345678901234567890123,"text":"é\u0041","x-vendor":[null,1e2]}"#;
const CONTENT: &str = r#""content":[{"type":"text","text":"\u0042 é"}],"structuredContent":{"n":1e2,"m":1.10},"x":[]"#;

pub(super) async fn call(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let members = format!(r#""name":"{}","arguments":{ARGUMENTS}"#, ground.name("echo"));
    let call = client.begin(7, "tools/call", &members).await;
    let mut arrived = ground.server.take("tools/call").await;
    assert_eq!(arrived.params()["name"], "echo");
    assert_eq!(raw_member(&arrived.text, &["params", "arguments"]), ARGUMENTS);
    arrived.result(&ground.result(CONTENT)).await;
    let answer = call.answer().await;
    assert_eq!((answer.status, answer.is_stream()), (200, false));
    let text = answer.response_text().await;
    let response: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(response["id"], 7);
    ground.checks_form(&response);
    for (member, raw) in
        [("content", r#"[{"type":"text","text":"\u0042 é"}]"#), ("structuredContent", r#"{"n":1e2,"m":1.10}"#)]
    {
        assert_eq!(raw_member(&text, &["result", member]), raw);
    }
    assert_eq!(response["result"]["x"], json!([]));
    ground.is_between_two("tools/call");
    Ok(())
}

pub(super) async fn paging(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let response = client.send(1, "tools/list", "").await.response().await;
    ground.checks_form(&response);
    let mut wanted: Vec<String> = TOOLS.iter().map(|own| ground.name(own)).collect();
    wanted.extend(ground.other.iter().flat_map(|_| ["other__echo".to_owned(), "other__z".to_owned()]));
    assert_eq!(crate::kit::names(&response, "tools"), wanted);
    assert_eq!(ground.server.count("tools/list"), 3, "one request for each page");
    let refused = client.send(2, "tools/list", r#""cursor":"nobody's""#).await.refused(200, -32602).await;
    assert_eq!(refused["id"], 2);
    Ok(())
}

/// What the server says, and what the client of each era is told of it.
const ERRORS: [(i64, &str, i64, i64); 5] = [
    (-32602, "tools/call", -32602, -32602),
    (-32603, "tools/call", -32603, -32603),
    (42, "tools/call", 42, 42),
    (-32002, "resources/read", -32602, -32002),
    (-32700, "tools/call", -32603, -32603),
];

pub(super) async fn errors(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    for (said, method, modern, legacy) in ERRORS {
        let members = match method {
            "tools/call" => format!(r#""name":"{}","arguments":{{}}"#, ground.name("echo")),
            _ => r#""uri":"it://one""#.to_owned(),
        };
        let call = client.begin(1, method, &members).await;
        let arrived = ground.server.take(method).await;
        let error = format!(r#"{{"code":{said},"message":"no","data":{{"n":1.10}}}}"#);
        let (id, mut arrived) = (arrived.id().clone(), arrived);
        arrived.finish(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)).await;
        let code = if ground.cell.client == Era::Modern { modern } else { legacy };
        let told = call.answer().await.refused(200, code).await;
        assert_eq!(told["id"], 1);
        match said {
            -32700 => assert_eq!(told["error"]["data"]["upstreamCode"], said, "{told}"),
            _ => assert_eq!(
                (&told["error"]["message"], &told["error"]["data"]["n"]),
                (&json!("no"), &json!(1.1)),
                "{told}"
            ),
        }
    }
    a_tool_that_fails(ground).await;
    let unknown = format!(r#""name":"{}","arguments":{{}}"#, ground.name("nobody"));
    client.send(3, "tools/call", &unknown).await.refused(200, -32602).await;
    Ok(())
}

async fn a_tool_that_fails(ground: &Ground) {
    let client = ground.client("{}").await;
    let call = client.begin(2, "tools/call", &format!(r#""name":"{}"#, ground.name("echo") + "\"")).await;
    let failed = ground.result(r#""content":[{"type":"text","text":"broken"}],"isError":true"#);
    ground.server.take("tools/call").await.result(&failed).await;
    let response = call.answer().await.response().await;
    ground.checks_form(&response);
    assert_eq!(response["result"]["isError"], true);
}

const HUGE: usize = 4 << 20;

pub(super) async fn huge_payload(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let (question, answer) = ("x".repeat(HUGE), "y".repeat(HUGE));
    let members = format!(r#""name":"{}","arguments":{{"text":"{question}"}}"#, ground.name("echo"));
    let sending = async { client.send(1, "tools/call", &members).await };
    let serving = async {
        let mut arrived = ground.server.take("tools/call").await;
        assert!(arrived.params()["arguments"]["text"] == question.as_str(), "the arguments came in whole");
        arrived.result(&ground.result(&format!(r#""content":[{{"type":"text","text":"{answer}"}}]"#))).await;
    };
    let (came, ()): (Answer, ()) = tokio::join!(sending, serving);
    let response = came.response().await;
    assert!(response["result"]["content"][0]["text"] == answer.as_str(), "the result came in whole");
    Ok(())
}
