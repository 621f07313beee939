//! The tasks of 2025-11-25, between clients and servers of that revision.

use std::time::Duration;

use crate::kit::{never, raw_member};

use super::*;

/// The capabilities in the answer to a handshake.
async fn greeted(gateway: &Gateway, revision: &str) -> Value {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{{}},"clientInfo":{{"name":"it","version":"1"}}}}}}"#
    );
    let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    let answer = gateway.send(&crate::kit::request("POST", "/mcp", &headers, body.as_bytes())).await;
    answer.response().await["result"]["capabilities"].clone()
}

async fn begin(client: &Legacy, tool: &str) -> Client {
    let members =
        format!(r#""name":"{tool}","arguments":{{}},"task":{{"ttl":5000,"x":1.0}},"_meta":{{"progressToken":"mine"}}"#);
    client.begin_post(&Legacy::body(1, "tools/call", &members)).await
}

/// Has a tool become a task; answers with the id that the client gets.
async fn create(client: &Legacy, tool: &str, upstream: &Upstream, own: &str) -> String {
    let call = begin(client, tool).await;
    let mut arrived = upstream.take("tools/call").await;
    assert_eq!(raw_member(&arrived.text, &["params", "task"]), r#"{"ttl":5000,"x":1.0}"#);
    let soon = r#""_meta":{"io.modelcontextprotocol/model-immediate-response":"soon"}"#;
    arrived.result(&format!(r#"{{"task":{{{}}},{soon}}}"#, task(own, "working"))).await;
    let created = result(call).await;
    assert_eq!(created["_meta"], json!({ "io.modelcontextprotocol/model-immediate-response": "soon" }));
    assert_eq!((&created["task"]["ttl"], &created["task"]["pollInterval"]), (&json!(60000), &json!(30)));
    let id = text(&created["task"]["taskId"]);
    assert!(!id.contains(own), "the server's id goes out sealed: {id}");
    id
}

async fn asked(client: &Legacy, upstream: &Upstream, method: &str, id: &str, answer: &str) -> Value {
    let call = client.begin_post(&Legacy::body(2, method, &about(id))).await;
    upstream.take(method).await.result(answer).await;
    result(call).await
}

/// The tasks of a client, each as its server shows it.
async fn listed(client: &Legacy, shown: &[(&Upstream, &str)]) -> Vec<String> {
    let call = client.begin_post(&Legacy::body(3, "tasks/list", "")).await;
    for (upstream, own) in shown {
        let mut arrived = upstream
            .take_if("tasks/get", |arrived| arrived.method() == "tasks/get" && arrived.params()["taskId"] == *own)
            .await;
        arrived.result(&format!("{{{}}}", task(own, "working"))).await;
    }
    let list = result(call).await;
    assert_eq!(upstream_lists(shown), 0, "a server's own list may have everybody's tasks");
    list["tasks"].as_array().unwrap_or_else(|| panic!("{list}")).iter().map(|task| text(&task["taskId"])).collect()
}

fn upstream_lists(shown: &[(&Upstream, &str)]) -> usize {
    shown.iter().map(|(upstream, _)| upstream.count("tasks/list")).sum()
}

#[tokio::test]
async fn tasks_are_offered_to_clients_of_that_revision_where_a_server_of_it_offers_them() {
    let with = offering(Era::Legacy, Wire::Http, OFFERS_CORE, vec![task_tool("a", "optional")]).await;
    let without = offering(Era::Modern, Wire::Http, OFFERS_EXTENSION, vec![tool("b")]).await;
    let gateway = Gateway::start(config(&[("with", &with), ("without", &without)])).await;
    let capabilities = greeted(&gateway, "2025-11-25").await;
    assert_eq!(capabilities["tasks"], json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } }));
    assert!(capabilities.get("extensions").is_none(), "{capabilities}");
    for revision in ["2025-06-18", "2025-03-26", "2024-11-05"] {
        let capabilities = greeted(&gateway, revision).await;
        assert!(capabilities.get("tasks").is_none() && capabilities.get("extensions").is_none(), "{capabilities}");
        let client = Legacy::open_with(&gateway, revision, "{}").await;
        let tools = client.send(1, "tools/list", "").await.response().await;
        assert!(tools["result"]["tools"][0].get("execution").is_none(), "{tools}");
        client.send(2, "tasks/get", &about("x")).await.refused(200, -32601).await;
    }
    let tools = legacy(&gateway).await.send(1, "tools/list", "").await.response().await;
    assert_eq!(tools["result"]["tools"][0]["execution"], json!({ "taskSupport": "optional" }));
    let alone = Gateway::over(&without).await;
    assert!(greeted(&alone, "2025-11-25").await.get("tasks").is_none());
    let client = legacy(&alone).await;
    for method in ["tasks/get", "tasks/result", "tasks/cancel", "tasks/list", "tasks/update"] {
        client.send(2, method, &about("x")).await.refused(200, -32601).await;
    }
}

#[tokio::test]
async fn a_task_is_made_looked_at_fetched_listed_and_cancelled_by_its_sealed_id() {
    for wire in WIRES {
        let upstream = offering(Era::Legacy, wire, OFFERS_CORE, vec![task_tool("echo", "optional")]).await;
        let gateway = Gateway::over(&upstream).await;
        let client = legacy(&gateway).await;
        let id = create(&client, "echo", &upstream, "t-1").await;
        let shown = asked(&client, &upstream, "tasks/get", &id, &format!("{{{}}}", task("t-1", "working"))).await;
        assert_eq!((&shown["taskId"], &shown["status"]), (&json!(id), &json!("working")));
        assert!(shown.get("resultType").is_none());
        assert_eq!(listed(&client, &[(&upstream, "t-1")]).await, std::slice::from_ref(&id));
        let came = format!(r#"{{"content":[{{"type":"text","text":"done"}}],{}}}"#, related("t-1"));
        let fetched = asked(&client, &upstream, "tasks/result", &id, &came).await;
        assert_eq!(fetched["content"][0]["text"], "done");
        assert_eq!(fetched["_meta"][RELATED], json!({ "taskId": id }));
        let stopped =
            asked(&client, &upstream, "tasks/cancel", &id, &format!("{{{}}}", task("t-1", "cancelled"))).await;
        assert_eq!((&stopped["taskId"], &stopped["status"]), (&json!(id), &json!("cancelled")));
        // A server's refusal is its own.
        let call = client.begin_post(&Legacy::body(5, "tasks/cancel", &about(&id))).await;
        upstream.take("tasks/cancel").await.error(-32602, "t-1 is over").await;
        let refusal = call.answer().await.refused(200, -32602).await;
        assert_eq!(refusal["error"]["message"], format!("{id} is over"));
        for unknown in ["t-1", "x", &format!("{id}A")] {
            for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
                client.send(6, method, &about(unknown)).await.refused(200, -32602).await;
            }
        }
        client.send(7, "tasks/update", &about(&id)).await.refused(200, -32601).await;
        client.send(8, "tasks/list", r#""cursor":"x""#).await.refused(200, -32602).await;
    }
}

#[tokio::test]
async fn servers_of_one_endpoint_are_told_apart_and_their_tasks_listed_together() {
    let first = offering(Era::Legacy, Wire::Http, OFFERS_CORE, vec![task_tool("echo", "optional")]).await;
    let second = offering(Era::Legacy, Wire::Stdio, OFFERS_CORE, vec![task_tool("echo", "required")]).await;
    let gateway = Gateway::start(both(&first, &second)).await;
    let client = legacy(&gateway).await;
    let of_first = create(&client, "first__echo", &first, "same").await;
    let of_second = create(&client, "second__echo", &second, "same").await;
    for (upstream, id) in [(&second, &of_second), (&first, &of_first)] {
        let shown = asked(&client, upstream, "tasks/get", id, &format!("{{{}}}", task("same", "working"))).await;
        assert_eq!(shown["taskId"], json!(id));
    }
    assert_eq!(listed(&client, &[(&second, "same"), (&first, "same")]).await, [of_first, of_second]);
}

#[tokio::test]
async fn a_server_without_the_capability_does_not_see_the_wish() {
    for (era, wire) in [(Era::Legacy, Wire::Http), (Era::Legacy, Wire::Stdio), (Era::Modern, Wire::Http)] {
        let offers = if era == Era::Modern { OFFERS_EXTENSION } else { "" };
        let upstream = offering(era, wire, offers, vec![tool("echo")]).await;
        let gateway = Gateway::over(&upstream).await;
        // What this client says of the other era's extension does not count.
        let client = Legacy::open_with(&gateway, "2025-11-25", DECLARED).await;
        let call = begin(&client, "echo").await;
        let mut arrived = upstream.take("tools/call").await;
        assert!(arrived.params().get("task").is_none(), "{}", arrived.text);
        let declared = &arrived.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"];
        assert!(declared.get("extensions").is_none(), "{declared}");
        arrived.text_result("at once").await;
        assert_eq!(result(call).await["content"][0]["text"], "at once");
    }
}

#[tokio::test]
async fn the_question_of_a_task_reaches_the_client_that_waits_for_it_by_the_id_it_knows() {
    for wire in WIRES {
        for isolation in ["principal", "session"] {
            let upstream = offering(Era::Legacy, wire, OFFERS_CORE, vec![task_tool("echo", "optional")]).await;
            let mut settings = config(&[("up", &upstream)]);
            settings["mcpServers"]["up"]["pool"] = json!({ "isolation": isolation });
            let gateway = Gateway::start(settings).await;
            let client = legacy(&gateway).await;
            let id = create(&client, "echo", &upstream, "t-1").await;
            let waiting = client.begin_post(&Legacy::body(2, "tasks/result", &about(&id))).await;
            let mut arrived = upstream.take("tasks/result").await;
            // Another call of the same client is in flight: the question names its task.
            let other = client.begin_call(3, "echo", "{}").await;
            let mut beside = upstream.take("tools/call").await;
            let question = format!("{{{FORM},{}}}", related("t-1"));
            arrived.ask(&json!("q"), "elicitation/create", &question).await;
            let mut stream = waiting.answer().await;
            let asked = loop {
                let message = stream.message().await;
                if message["method"] == "elicitation/create" {
                    break message;
                }
            };
            assert_eq!(asked["params"]["_meta"][RELATED], json!({ "taskId": id }));
            client.reply(&asked["id"], &format!(r#"{{"action":"accept","content":{{}},{}}}"#, related(&id))).await;
            let answered = upstream.answer(&json!("q")).await;
            assert_eq!(answered.json["result"]["_meta"][RELATED], json!({ "taskId": "t-1" }));
            arrived.result(&format!(r#"{{"content":[],{}}}"#, related("t-1"))).await;
            assert_eq!(stream.message().await["result"]["_meta"][RELATED], json!({ "taskId": id }));
            beside.text_result("beside").await;
            assert_eq!(result(other).await["content"][0]["text"], "beside");
        }
    }
}

#[tokio::test]
async fn a_question_before_anybody_waits_for_its_task_is_kept_for_who_does() {
    let upstream = offering(Era::Legacy, Wire::Stdio, OFFERS_CORE, vec![task_tool("echo", "optional")]).await;
    let gateway = Gateway::over(&upstream).await;
    let client = legacy(&gateway).await;
    let id = create(&client, "echo", &upstream, "t-1").await;
    let looking = client.begin_post(&Legacy::body(2, "tasks/get", &about(&id))).await;
    let mut arrived = upstream.take("tasks/get").await;
    arrived.ask(&json!("q"), "elicitation/create", &format!("{{{FORM},{}}}", related("t-1"))).await;
    arrived.result(&format!("{{{}}}", task("t-1", "input_required"))).await;
    assert_eq!(result(looking).await["status"], "input_required");
    let waiting = client.begin_post(&Legacy::body(3, "tasks/result", &about(&id))).await;
    let mut arrived = upstream.take("tasks/result").await;
    let mut stream = waiting.answer().await;
    let mut asked = stream.message_text().await.unwrap();
    while !asked.contains("elicitation/create") {
        asked = stream.message_text().await.unwrap();
    }
    let asked: Value = serde_json::from_str(&asked).unwrap();
    client.reply(&asked["id"], r#"{"action":"decline"}"#).await;
    assert_eq!(upstream.answer(&json!("q")).await.json["result"]["action"], "decline");
    arrived.text_result("done").await;
    assert_eq!(stream.message().await["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn what_a_server_says_of_a_task_reaches_its_owner_only() {
    for wire in WIRES {
        let upstream = offering(Era::Legacy, wire, OFFERS_CORE, vec![task_tool("echo", "optional")]).await;
        let gateway = Gateway::over(&upstream).await;
        let (alice, bob) = (legacy(&gateway).await, legacy(&gateway).await);
        let (mut hers, mut his) = (alice.stream(None).await, bob.stream(None).await);
        let id = create(&alice, "echo", &upstream, "t-1").await;
        upstream.is_heard_by(1).await;
        // A stream does not say when it listens: a change that both hear comes first.
        let ready = async |stream: &mut Answer| {
            while stream.message().await["method"] != "notifications/prompts/list_changed" {}
        };
        upstream.tell("notifications/prompts/list_changed", "").await;
        ready(&mut hers).await;
        ready(&mut his).await;
        upstream.tell("notifications/tasks/status", &format!("{},{}", task("t-1", "working"), related("t-1"))).await;
        let told = hers.message().await;
        assert_eq!((&told["method"], &told["params"]["taskId"]), (&json!("notifications/tasks/status"), &json!(id)));
        assert_eq!(told["params"]["_meta"][RELATED], json!({ "taskId": id }));
        // The call is answered long ago, and its token still good.
        upstream
            .tell("notifications/progress", &format!(r#""progressToken":99,"progress":5,{}"#, related("t-1")))
            .await;
        let told = hers.message().await;
        assert_eq!(
            (&told["method"], &told["params"]["progressToken"]),
            (&json!("notifications/progress"), &json!("mine"))
        );
        assert_eq!(told["params"]["_meta"][RELATED], json!({ "taskId": id }));
        upstream.tell("notifications/message", &format!(r#""level":"error","data":"x",{}"#, related("t-1"))).await;
        let told = hers.message().await;
        assert_eq!(told["params"]["_meta"][RELATED], json!({ "taskId": id }));
        upstream.tell("notifications/tasks/status", &task("t-9", "working")).await;
        never("a task of somebody else", Duration::from_millis(200), hers.message_text()).await;
        never("her task", Duration::from_millis(100), his.message_text()).await;
        assert_eq!(listed(&bob, &[]).await, Vec::<String>::new());
        assert_eq!(listed(&alice, &[(&upstream, "t-1")]).await, [id]);
    }
}

#[tokio::test]
async fn an_id_of_one_form_is_unknown_in_the_other() {
    let old = offering(Era::Legacy, Wire::Http, OFFERS_CORE, vec![task_tool("old", "optional")]).await;
    let new = offering(Era::Modern, Wire::Http, OFFERS_EXTENSION, vec![tool("new")]).await;
    let gateway = Gateway::start(config(&[("old", &old), ("new", &new)])).await;
    let (client, modern) = (legacy(&gateway).await, modern(&gateway));
    let id = create(&client, "old", &old, "t-1").await;
    modern.send(2, "tasks/get", &about(&id)).await.refused(200, -32602).await;
    modern.send(3, "tasks/cancel", &about(&id)).await.refused(200, -32602).await;
    let call = modern.begin_call(4, "new", "{}").await;
    new.take("tools/call").await.result(&format!(r#"{{"resultType":"task",{}}}"#, flat("t-1", "working"))).await;
    let of_modern = text(&result(call).await["taskId"]);
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        client.send(5, method, &about(&of_modern)).await.refused(200, -32602).await;
    }
    assert_eq!(old.count("tasks/get") + new.count("tasks/get"), 0);
}

#[tokio::test]
async fn a_call_that_becomes_a_task_is_not_cancelled_as_a_request() {
    for wire in WIRES {
        let upstream = offering(Era::Legacy, wire, OFFERS_CORE, vec![task_tool("echo", "optional")]).await;
        let gateway = Gateway::over(&upstream).await;
        let client = legacy(&gateway).await;
        let call = begin(&client, "echo").await;
        let mut arrived = upstream.take("tools/call").await;
        client.tell("notifications/cancelled", r#""requestId":1"#).await;
        call.answer().await.text().await;
        arrived.result(&format!("{{\"task\":{{{}}}}}", task("t-1", "working"))).await;
        // What is sent after it is there: nothing was sent before.
        let other = client.begin_call(2, "echo", "{}").await;
        upstream.take("tools/call").await.text_result("next").await;
        assert_eq!(result(other).await["content"][0]["text"], "next");
        assert_eq!(upstream.count("notifications/cancelled"), 0);
    }
}

#[tokio::test]
async fn a_child_is_not_ended_for_being_idle_while_it_works_on_a_task() {
    let working = offering(Era::Legacy, Wire::Stdio, OFFERS_CORE, vec![task_tool("work", "optional")]).await;
    let idle = offering(Era::Legacy, Wire::Stdio, "", vec![tool("rest")]).await;
    let mut settings = config(&[("a", &working), ("b", &idle)]);
    for server in ["a", "b"] {
        settings["mcpServers"][server]["pool"] = json!({ "idleTimeout": "1s" });
    }
    let gateway = Gateway::start(settings).await;
    let client = legacy(&gateway).await;
    let id = create(&client, "work", &working, "t-1").await;
    let call = client.begin_call(2, "rest", "{}").await;
    let mut arrived = idle.take("tools/call").await;
    arrived.text_result("rests").await;
    assert_eq!(result(call).await["content"][0]["text"], "rests");
    // The one that was used last goes first.
    arrived.is_given_up().await;
    let shown = asked(&client, &working, "tasks/get", &id, &format!("{{{}}}", task("t-1", "working"))).await;
    assert_eq!(shown["taskId"], json!(id));
    assert_eq!(working.count("initialize"), 1, "it is the same child");
}
