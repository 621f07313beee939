//! What is said before, beside and instead of an answer: progress, logs, cancellation, changes.

use serde_json::{Value, json};

use super::{Seen, client::Peer, ground::Ground};
use crate::kit::{Answer, Era, Wire};

const TAG: &str = "io.modelcontextprotocol/subscriptionId";

pub(super) async fn progress(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let members = format!(r#""name":"{}","arguments":{{}}"#, ground.name("echo"));
    let call = client.begin_with(1, "tools/call", &members, r#""progressToken":"p-1""#).await;
    let mut arrived = ground.server.take("tools/call").await;
    let token = arrived.params()["_meta"]["progressToken"].clone();
    assert_ne!(token, Value::Null);
    for said in ["1", "2.5"] {
        let members = format!(r#""progressToken":{token},"progress":{said},"total":3,"message":"é""#);
        arrived.notice("notifications/progress", &members).await;
    }
    arrived.result(&ground.result(r#""content":[]"#)).await;
    let messages = call.answer().await.all().await;
    let (response, told) = messages.split_last().unwrap();
    ground.checks_form(response);
    let expected =
        |progress: Value| json!({ "progressToken": "p-1", "progress": progress, "total": 3, "message": "é" });
    let told: Vec<&Value> = told.iter().map(|notice| &notice["params"]).collect();
    assert_eq!(told, [&expected(json!(1)), &expected(json!(2.5))]);
    Ok(())
}

pub(super) async fn log(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let members = format!(r#""name":"{}","arguments":{{}}"#, ground.name("echo"));
    let meta = match ground.cell.client {
        Era::Modern => r#""io.modelcontextprotocol/logLevel":"warning""#,
        Era::Legacy => {
            let set = client.send(9, "logging/setLevel", r#""level":"warning""#).await.response().await;
            assert_eq!(set["result"], json!({}), "{set}");
            ""
        }
    };
    let call = client.begin_with(1, "tools/call", &members, meta).await;
    let mut arrived = ground.server.take("tools/call").await;
    if ground.cell.server == Era::Modern {
        assert_eq!(arrived.params()["_meta"]["io.modelcontextprotocol/logLevel"], "warning");
    }
    for level in ["info", "error"] {
        let members = format!(r#""level":"{level}","logger":"it","data":{{"n":1}}"#);
        arrived.notice("notifications/message", &members).await;
    }
    arrived.result(&ground.result(r#""content":[]"#)).await;
    let messages = call.answer().await.all().await;
    let (response, told) = messages.split_last().unwrap();
    ground.checks_form(response);
    let told: Vec<&Value> = told.iter().map(|notice| &notice["params"]).collect();
    assert_eq!(told, [&json!({ "level": "error", "logger": "it", "data": { "n": 1 } })], "no more than was asked for");
    Ok(())
}

pub(super) async fn cancel(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let members = format!(r#""name":"{}","arguments":{{}}"#, ground.name("echo"));
    let call = client.begin(1, "tools/call", &members).await;
    let mut arrived = ground.server.take("tools/call").await;
    match &client {
        Peer::Modern(_) => drop(call),
        Peer::Legacy(client) => {
            client.tell("notifications/cancelled", r#""requestId":1"#).await;
            assert_eq!(call.answer().await.all().await, Vec::<Value>::new(), "a cancelled call has no answer");
        }
    }
    match (ground.cell.server, ground.cell.wire) {
        (Era::Modern, Wire::Http) => arrived.is_given_up().await,
        _ => {
            let cancelled = ground.server.take("notifications/cancelled").await;
            assert_eq!(cancelled.params()["requestId"], *arrived.id());
        }
    }
    Ok(())
}

/// A stream of changes, which is heard by the server when this returns.
async fn hear(ground: &Ground, client: &Peer, filter: &str) -> Answer {
    // What a first contact with the servers changes is over.
    client.send(90, "tools/list", "").await.response().await;
    match client {
        Peer::Legacy(client) => client.stream(None).await,
        Peer::Modern(_) => {
            let mut stream = client.send(91, "subscriptions/listen", &format!(r#""notifications":{filter}"#)).await;
            let acknowledged = stream.message().await;
            assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
            assert_eq!(acknowledged["params"]["notifications"], serde_json::from_str::<Value>(filter).unwrap());
            assert_eq!(acknowledged["params"]["_meta"][TAG], 91);
            let _ = ground;
            stream
        }
    }
}

/// The notice is tagged as the client's era wants.
fn is_tagged(ground: &Ground, told: &Value) {
    let expected = if ground.cell.client == Era::Modern { json!(91) } else { Value::Null };
    assert_eq!(told["params"]["_meta"][TAG], expected, "{told}");
}

pub(super) async fn listen(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let mut stream = hear(ground, &client, r#"{"resourceSubscriptions":["it://one"]}"#).await;
    if ground.cell.client == Era::Legacy {
        let subscribed = client.send(92, "resources/subscribe", r#""uri":"it://one""#).await.response().await;
        assert_eq!(subscribed["result"], json!({}), "{subscribed}");
    }
    ground.server.is_heard_by(1).await;
    if ground.cell.server == Era::Legacy {
        assert_eq!(ground.server.count("resources/subscribe"), 1);
    }
    ground.server.tell("notifications/resources/updated", r#""uri":"it://one","x":1"#).await;
    let told = stream.message().await;
    assert_eq!(
        (&told["method"], &told["params"]["uri"]),
        (&json!("notifications/resources/updated"), &json!("it://one"))
    );
    is_tagged(ground, &told);
    Ok(())
}

pub(super) async fn list_changed(ground: &Ground) -> Seen {
    let client = ground.client("{}").await;
    let filter = r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}"#;
    let mut stream = hear(ground, &client, filter).await;
    ground.server.is_heard_by(1).await;
    for kind in ["tools", "prompts", "resources"] {
        let method = format!("notifications/{kind}/list_changed");
        ground.server.tell(&method, "").await;
        let told = stream.message().await;
        assert_eq!(told["method"], method);
        is_tagged(ground, &told);
    }
    ground.server.change(|catalog| catalog.tools.truncate(1));
    ground.server.tell("notifications/tools/list_changed", "").await;
    assert_eq!(stream.message().await["method"], "notifications/tools/list_changed");
    let listed = client.send(93, "tools/list", "").await.response().await;
    let own = crate::kit::names(&listed, "tools").into_iter().filter(|name| !name.starts_with("other__"));
    assert_eq!(own.collect::<Vec<_>>(), [ground.name("echo")], "who is told reads no old list");
    Ok(())
}
