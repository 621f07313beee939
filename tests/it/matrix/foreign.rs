//! What one of the eras does not have, or what nobody can be found for: each cell says exactly who is told what.

use serde_json::{Value, json};

use super::{Seen, Servers, client::Peer, ground::Ground};
use crate::kit::{Answer, Era, MODERN, Wire, request};

/// What a client was told, if it is a refusal.
pub(super) async fn told(answer: Answer) -> Seen {
    let status = answer.status;
    let response = answer.response().await;
    let error = &response["error"];
    if error.is_object() {
        let data = error.get("data").map_or_else(String::new, |data| format!(", data `{data}`"));
        return Err(format!("the client: HTTP {status}, `{}` {}{data}", error["code"], error["message"]));
    }
    if response["result"]["isError"] == true {
        let text = response["result"]["content"][0]["text"].as_str().unwrap_or_default();
        return Err(format!("the client: a failed tool, \"{text}\""));
    }
    Ok(())
}

/// What a server was told instead of an answer.
pub(super) fn told_to_the_server(answer: &Value) -> String {
    match answer.get("error") {
        Some(error) => format!("the server: `{}` {}", error["code"], error["message"]),
        None => format!("the server: `{}`", answer["result"]),
    }
}

fn echo(ground: &Ground) -> String {
    format!(r#""name":"{}","arguments":{{}}"#, ground.name("echo"))
}

/// A server that cannot do without a capability which the client does not have.
pub(super) async fn missing_capability(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let call = client.begin(1, "tools/call", &echo(ground)).await;
    let mut arrived = ground.server.take("tools/call").await;
    let error = r#"{"code":-32021,"message":"sampling is needed","data":{"requiredCapabilities":{"sampling":{}}}}"#;
    let text = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, arrived.id());
    arrived.finish(&text).await;
    told(call.answer().await).await
}

/// A server that several principals share asks something while two calls are in flight, and does not say for which.
///
/// 2026-07-28 has no such request: what a modern server writes of the kind is read by nobody.
pub(super) async fn question_of_no_call(unshared: &Ground) -> Seen {
    let ground = &Ground::shared(unshared.cell).await;
    let client = ground.client(r#"{"elicitation":{}}"#).await;
    let first = client.begin(1, "tools/call", &echo(ground)).await;
    let mut one = ground.server.take("tools/call").await;
    let second = client.begin(2, "tools/call", &echo(ground)).await;
    let mut two = ground.server.take("tools/call").await;
    let params = r#"{"message":"?","requestedSchema":{"type":"object","properties":{}}}"#;
    let request = format!(r#"{{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{params}}}"#);
    match ground.cell.wire {
        Wire::Stdio => one.say(&request).await,
        Wire::Http => ground.server.tell_raw(&request).await,
    }
    let refusal = match ground.cell.server {
        Era::Legacy => told_to_the_server(&ground.server.answer(&json!("q")).await.json),
        Era::Modern => "nobody".to_owned(),
    };
    for (arrived, call) in [(&mut one, first), (&mut two, second)] {
        arrived.result(&ground.result(r#""content":[]"#)).await;
        let messages = call.answer().await.all().await;
        assert_eq!(messages.len(), 1, "nobody is asked: {messages:?}");
    }
    assert_eq!(ground.server.count("") > 0, ground.cell.server == Era::Legacy, "whether the server was answered");
    Err(refusal)
}

/// A client whose call's stream broke, and that asks for the rest of it.
pub(super) async fn taking_up_a_stream(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let call = client.begin_with(1, "tools/call", &echo(ground), r#""progressToken":1"#).await;
    let mut arrived = ground.server.take("tools/call").await;
    arrived.progress(1).await;
    let mut stream = call.answer().await;
    let mut id = None;
    while id.is_none() || stream.message().await["method"] != "notifications/progress" {
        let Some(event) = stream.event().await else { break };
        id = event.id;
        if !event.data.is_empty() {
            break;
        }
    }
    drop(stream);
    match &client {
        Peer::Modern(_) => {
            assert_eq!(id, None, "there is nothing to name a place in the stream by");
            let headers = [("accept", "text/event-stream"), ("mcp-protocol-version", MODERN), ("last-event-id", "1")];
            let answer = ground.gateway.send(&request("GET", "/mcp", &headers, b"")).await;
            Err(format!("the client: HTTP {}, `Allow: {}`", answer.status, answer.header("allow").unwrap_or_default()))
        }
        Peer::Legacy(client) => {
            let rest = client.stream(Some(&id.expect("an id"))).await;
            arrived.result(&ground.result(r#""content":[]"#)).await;
            let response = rest.response().await;
            assert_eq!(response["id"], 1);
            Ok(())
        }
    }
}

/// A method that only the server knows.
pub(super) async fn unknown_method(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let call = client.begin(1, "vendor/do", r#""n":1"#).await;
    let serving = async {
        let mut arrived = ground.server.take("vendor/do").await;
        assert_eq!(arrived.params()["n"], 1);
        arrived.result(&ground.result(r#""m":1.10"#)).await;
    };
    let answering = async { told(call.answer().await).await };
    match ground.cell.servers {
        Servers::One => tokio::join!(answering, serving).0,
        Servers::Two => answering.await,
    }
}

async fn asks(ground: &Ground, method: &str, members: &str) -> Seen {
    let client = ground.client("{}").await;
    told(client.send(1, method, members).await).await
}

pub(super) async fn ping(ground: &Ground) -> Seen {
    asks(ground, "ping", "").await
}

pub(super) async fn set_level(ground: &Ground) -> Seen {
    asks(ground, "logging/setLevel", r#""level":"info""#).await
}

pub(super) async fn subscribe(ground: &Ground) -> Seen {
    asks(ground, "resources/subscribe", r#""uri":"it://one""#).await
}

pub(super) async fn listen_request(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let mut answer = client.send(1, "subscriptions/listen", r#""notifications":{}"#).await;
    if answer.is_stream() {
        assert_eq!(answer.message().await["method"], "notifications/subscriptions/acknowledged");
        return Ok(());
    }
    told(answer).await
}
