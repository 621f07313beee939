//! Calls that go on after their answer. The eras have two forms of tasks; each is carried between two sides that both speak it, and
//! whoever has none gets an ordinary answer.

use serde_json::{Value, json};

use super::{Seen, client::Peer, foreign::told, ground::Ground};
use crate::kit::{Client, Era};

const DECLARED: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
const CAME: &str = r#""content":[{"type":"text","text":"at last"}]"#;

/// A call that the server makes a task of if it may, and what came of it.
pub(super) async fn tasks(unready: &Ground) -> Seen {
    let ground = &Ground::of_tasks(unready.cell).await;
    let client = ground.client(DECLARED).await;
    let members = format!(r#""name":"{}","arguments":{{}}"#, ground.name("slow"));
    match (ground.cell.client, ground.cell.server) {
        (Era::Modern, Era::Modern) => {
            let call = client.begin(1, "tools/call", &members).await;
            made(ground, r#""resultType":"task","#, "").await;
            let id = id_of(&result(call).await);
            let shown =
                asked(ground, &client, "tasks/get", &id, &format!(r#"{},"result":{{{CAME}}}"#, task("completed")))
                    .await;
            assert_eq!((&shown["taskId"], &shown["result"]["content"][0]["text"]), (&json!(id), &json!("at last")));
        }
        (Era::Legacy, Era::Legacy) => {
            let call = client.begin(1, "tools/call", &format!(r#"{members},"task":{{"ttl":60000}}"#)).await;
            made(ground, r#""task":{"#, "}").await;
            let id = id_of(&result(call).await["task"]);
            let shown = asked(ground, &client, "tasks/get", &id, &task("completed")).await;
            assert_eq!((&shown["taskId"], &shown["status"]), (&json!(id), &json!("completed")));
            let came = asked(ground, &client, "tasks/result", &id, CAME).await;
            assert_eq!(came["content"][0]["text"], "at last");
        }
        // The tool runs as a task only: the gateway waits for it.
        (Era::Modern, Era::Legacy) => {
            let call = client.begin(1, "tools/call", &members).await;
            made(ground, r#""task":{"#, "}").await;
            ground.server.take("tasks/get").await.result(&format!("{{{}}}", task("completed"))).await;
            ground.server.take("tasks/result").await.result(&format!("{{{CAME}}}")).await;
            let response = call.answer().await.response().await;
            ground.checks_form(&response);
            assert_eq!(response["result"]["content"][0]["text"], "at last");
        }
        (Era::Legacy, Era::Modern) => {
            let call = client.begin(1, "tools/call", &format!(r#"{members},"task":{{"ttl":60000}}"#)).await;
            let mut arrived = ground.server.take("tools/call").await;
            assert_eq!(arrived.params().get("task"), None, "a wish of the other form");
            arrived.result(&ground.result(CAME)).await;
            let response = call.answer().await.response().await;
            ground.checks_form(&response);
            assert_eq!(response["result"]["content"][0]["text"], "at last");
        }
    }
    ground.is_between_two("tools/call");
    Ok(())
}

/// The server makes a task of a call.
async fn made(ground: &Ground, before: &str, after: &str) {
    let mut arrived = ground.server.take("tools/call").await;
    arrived.result(&format!("{{{before}{}{after}}}", task("working"))).await;
}

/// Asks something of a task, which the server answers with these members.
async fn asked(ground: &Ground, client: &Peer, method: &str, id: &str, members: &str) -> Value {
    let call = client.begin(2, method, &format!(r#""taskId":"{id}""#)).await;
    let mut arrived = ground.server.take(method).await;
    assert_eq!(arrived.params()["taskId"], "t-1", "the server gets its own id back");
    arrived.result(&ground.result(members)).await;
    result(call).await
}

/// A task in the words of both forms, without braces.
fn task(status: &str) -> String {
    let times = r#""createdAt":"2026-11-22T10:00:00Z","lastUpdatedAt":"2026-11-22T10:00:00Z""#;
    format!(r#""taskId":"t-1","status":"{status}",{times},"ttlMs":60000,"ttl":60000"#)
}

async fn result(call: Client) -> Value {
    let response = call.answer().await.response().await;
    assert!(response["error"].is_null(), "{response}");
    response["result"].clone()
}

fn id_of(task: &Value) -> String {
    let id = task["taskId"].as_str().unwrap_or_else(|| panic!("no task: {task}")).to_owned();
    assert_ne!(id, "t-1", "the server's id goes out sealed");
    id
}

/// A method of tasks that the client's own form does not have.
pub(super) async fn other_form(unready: &Ground) -> Seen {
    let ground = &Ground::of_tasks(unready.cell).await;
    let client = ground.client(DECLARED).await;
    let method = if ground.cell.client == Era::Modern { "tasks/result" } else { "tasks/update" };
    told(client.send(1, method, r#""taskId":"t-1""#).await).await
}

/// An id that is not of the gateway's making; there is no such method where the server has no tasks of the client's form.
pub(super) async fn unknown_task(unready: &Ground) -> Seen {
    let ground = &Ground::of_tasks(unready.cell).await;
    let client = ground.client(DECLARED).await;
    told(client.send(1, "tasks/get", r#""taskId":"t-1""#).await).await
}
