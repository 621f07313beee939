//! The extension of 2026-07-28, between clients and servers of that era.

use std::time::Duration;

use rustix::process::Signal;

use crate::kit::{Answer, MODERN, never, raw_member, request};

use super::*;

/// Has a tool become a task; answers with the id that the client gets.
async fn create(client: &Modern, tool: &str, upstream: &Upstream, own: &str) -> String {
    let call = client.begin_call(1, tool, "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    let declared = &arrived.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert!(declared["extensions"][EXTENSION].is_object(), "{declared}");
    arrived.result(&format!(r#"{{"resultType":"task",{}}}"#, flat(own, "working"))).await;
    let created = result(call).await;
    assert_eq!((&created["resultType"], &created["status"]), (&json!("task"), &json!("working")));
    assert_eq!(created["pollIntervalMs"], 50);
    let id = text(&created["taskId"]);
    assert!(!id.contains(own), "the server's id goes out sealed: {id}");
    id
}

/// What the server gets and answers when a client asks something of a task.
async fn asked(client: &Modern, upstream: &Upstream, method: &str, members: &str, answer: &str) -> (Arrived, Value) {
    let call = client.begin(2, method, members).await;
    let mut arrived = upstream.take(method).await;
    arrived.result(answer).await;
    (arrived, result(call).await)
}

#[tokio::test]
async fn a_task_is_made_looked_at_answered_and_cancelled_by_its_sealed_id() {
    for wire in WIRES {
        let upstream = offering(Era::Modern, wire, OFFERS_EXTENSION, vec![tool("echo")]).await;
        let gateway = Gateway::over(&upstream).await;
        let client = modern(&gateway);
        let id = create(&client, "echo", &upstream, "t-1").await;
        let requests = format!(r#"{{"who":{{"method":"elicitation/create","params":{{{FORM}}}}}}}"#);
        let answer =
            format!(r#"{{"resultType":"complete",{},"inputRequests":{requests}}}"#, flat("t-1", "input_required"));
        let (arrived, shown) = asked(&client, &upstream, "tasks/get", &about(&id), &answer).await;
        assert_eq!(arrived.params()["taskId"], "t-1");
        if wire == Wire::Http {
            assert_eq!(arrived.header("mcp-name"), Some("t-1"));
        }
        assert_eq!((&shown["taskId"], &shown["resultType"]), (&json!(id), &json!("complete")));
        assert_eq!(shown["inputRequests"], serde_json::from_str::<Value>(&requests).unwrap());

        let answers = r#"{"who":{"action":"accept","content":{"name":"\u0041","n":1.10}}}"#;
        let members = format!(r#"{},"inputResponses":{answers}"#, about(&id));
        let (arrived, acknowledged) = asked(&client, &upstream, "tasks/update", &members, "{}").await;
        assert_eq!(arrived.params()["taskId"], "t-1");
        assert_eq!(raw_member(&arrived.text, &["params", "inputResponses"]), answers);
        assert_eq!(acknowledged, json!({ "resultType": "complete" }));

        let (arrived, acknowledged) =
            asked(&client, &upstream, "tasks/cancel", &about(&id), r#"{"resultType":"complete"}"#).await;
        assert_eq!(arrived.params()["taskId"], "t-1");
        assert_eq!(acknowledged, json!({ "resultType": "complete" }));
        assert_eq!(upstream.count("notifications/cancelled"), 0);
    }
}

#[tokio::test]
async fn what_came_of_a_task_leaves_as_it_came() {
    let upstream = offering(Era::Modern, Wire::Http, OFFERS_EXTENSION, vec![tool("echo")]).await;
    let gateway = Gateway::over(&upstream).await;
    let client = modern(&gateway);
    let id = create(&client, "echo", &upstream, "t-1").await;
    let inlined = r#"{"content":[{"type":"text","text":"\u0041"}],"structuredContent":{"n":1.10,"big":12345678901234567890123},"isError":true,"_meta":{"x/y":1}}"#;
    // Servers after the extension's own examples call this a task.
    let answer = format!(r#"{{"resultType":"task",{},"result":{inlined}}}"#, flat("t-1", "completed"));
    let call = client.begin(2, "tasks/get", &about(&id)).await;
    upstream.take("tasks/get").await.result(&answer).await;
    let shown = call.answer().await.response_text().await;
    assert_eq!(raw_member(&shown, &["result", "result"]), inlined);
    assert_eq!(raw_member(&shown, &["result", "resultType"]), r#""complete""#);
    let failed = format!(r#"{{{},"error":{{"code":-32603,"message":"broke"}}}}"#, flat("t-1", "failed"));
    let (_, shown) = asked(&client, &upstream, "tasks/get", &about(&id), &failed).await;
    assert_eq!(shown["error"], json!({ "code": -32603, "message": "broke" }));
}

#[tokio::test]
async fn servers_of_one_endpoint_are_told_apart_though_they_use_the_same_ids() {
    let first = offering(Era::Modern, Wire::Http, OFFERS_EXTENSION, vec![tool("echo")]).await;
    let second = offering(Era::Modern, Wire::Stdio, OFFERS_EXTENSION, vec![tool("echo")]).await;
    let gateway = Gateway::start(both(&first, &second)).await;
    let client = modern(&gateway);
    let of_first = create(&client, "first__echo", &first, "same").await;
    let of_second = create(&client, "second__echo", &second, "same").await;
    assert_ne!(of_first, of_second);
    for (upstream, id) in [(&second, &of_second), (&first, &of_first)] {
        let answer = format!("{{{}}}", flat("same", "working"));
        let (_, shown) = asked(&client, upstream, "tasks/get", &about(id), &answer).await;
        assert_eq!(shown["taskId"], json!(id));
    }
}

#[tokio::test]
async fn the_extension_is_offered_only_where_a_modern_server_offers_it() {
    let with = offering(Era::Modern, Wire::Http, OFFERS_EXTENSION, vec![tool("a")]).await;
    let without = offering(Era::Modern, Wire::Http, "", vec![tool("b")]).await;
    // The same words of a legacy server mean nothing.
    let other =
        r#","tasks":{"requests":{"tools":{"call":{}}}},"extensions":{"io.modelcontextprotocol/tasks":{},"a/b":{}}"#;
    let old = offering(Era::Legacy, Wire::Http, other, vec![tool("c")]).await;
    let mut settings = config(&[("with", &with), ("without", &without), ("old", &old)]);
    settings["endpoints"]["/none"] = json!({ "servers": ["without", "old"] });
    let gateway = Gateway::start(settings).await;
    let offered = async |path: &str| {
        let response = Modern::of(&gateway).at(path).send(1, "server/discover", "").await.response().await;
        response["result"]["capabilities"].clone()
    };
    let capabilities = offered("/mcp").await;
    assert_eq!(capabilities["extensions"], json!({ EXTENSION: {}, "a/b": {} }));
    let capabilities_of_none = offered("/none").await;
    assert_eq!(capabilities_of_none["extensions"], json!({ "a/b": {} }));
    assert!(capabilities.get("tasks").is_none() && capabilities_of_none.get("tasks").is_none());
    // Where nobody offers it there is no such method.
    for method in ["tasks/get", "tasks/cancel"] {
        modern(&gateway).at("/none").send(2, method, &about("x")).await.refused(404, -32601).await;
    }
}

#[tokio::test]
async fn who_did_not_declare_the_extension_gets_no_task_and_may_not_ask_for_one() {
    let upstream = offering(Era::Modern, Wire::Http, OFFERS_EXTENSION, vec![tool("echo")]).await;
    let gateway = Gateway::over(&upstream).await;
    let id = create(&modern(&gateway), "echo", &upstream, "t-1").await;
    let plain = Modern::of(&gateway);
    let needs = |refusal: Value| {
        assert!(refusal["error"]["data"]["requiredCapabilities"]["extensions"][EXTENSION].is_object(), "{refusal}");
    };
    // A server that makes a task all the same.
    let call = plain.begin_call(3, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    let declared = &arrived.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(*declared, json!({}), "the gateway declares nothing of its own");
    arrived.result(&format!(r#"{{"resultType":"task",{}}}"#, flat("t-2", "working"))).await;
    needs(call.answer().await.refused(400, -32021).await);
    for (method, members) in [
        ("tasks/get", about(&id)),
        ("tasks/update", format!(r#"{},"inputResponses":{{}}"#, about(&id))),
        ("tasks/cancel", about(&id)),
        ("subscriptions/listen", format!(r#""notifications":{{"taskIds":["{id}"]}}"#)),
    ] {
        needs(plain.send(4, method, &members).await.refused(400, -32021).await);
    }
    assert_eq!(upstream.count("tasks/get") + upstream.count("tasks/update") + upstream.count("tasks/cancel"), 0);
}

#[tokio::test]
async fn ids_that_are_unknown_forged_or_of_another_gateway_are_unknown_alike() {
    let upstream = offering(Era::Modern, Wire::Http, OFFERS_EXTENSION, vec![tool("echo")]).await;
    let gateway = Gateway::over(&upstream).await;
    let elsewhere = Gateway::over(&upstream).await;
    let id = create(&modern(&gateway), "echo", &upstream, "t-1").await;
    let foreign = create(&modern(&elsewhere), "echo", &upstream, "t-1").await;
    let mut altered = id.clone().into_bytes();
    altered[30] = if altered[30] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    for unknown in ["t-1", "", "x", &altered, &format!("{id}A"), &foreign] {
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let members = format!(r#"{},"inputResponses":{{}}"#, about(unknown));
            let refusal = modern(&gateway).send(2, method, &members).await.refused(200, -32602).await;
            assert_eq!(refusal["error"]["message"], format!("Unknown task: {unknown}"));
        }
    }
    assert_eq!(upstream.count("tasks/get") + upstream.count("tasks/update") + upstream.count("tasks/cancel"), 0);
    // What the server does not know itself is its own to say, by the id that the client knows.
    let call = modern(&gateway).begin(3, "tasks/get", &about(&id)).await;
    upstream.take("tasks/get").await.error(-32602, "No task t-1").await;
    let refusal = call.answer().await.refused(200, -32602).await;
    assert_eq!(refusal["error"]["message"], format!("No task {id}"));
}

#[tokio::test]
async fn any_replica_with_the_key_serves_a_task() {
    let upstream = offering(Era::Modern, Wire::Http, OFFERS_EXTENSION, vec![tool("echo")]).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["sealing"] = json!({ "keys": ["0123456789abcdef0123456789abcdef"] });
    let (one, other) = (Gateway::start(settings.clone()).await, Gateway::start(settings).await);
    let id = create(&modern(&one), "echo", &upstream, "t-1").await;
    let answer = format!("{{{}}}", flat("t-1", "working"));
    let (arrived, shown) = asked(&modern(&other), &upstream, "tasks/get", &about(&id), &answer).await;
    assert_eq!((&arrived.params()["taskId"], &shown["taskId"]), (&json!("t-1"), &json!(id)));
}

#[tokio::test]
async fn methods_of_the_other_form_and_headers_that_contradict_are_refused() {
    let upstream = offering(Era::Modern, Wire::Http, OFFERS_EXTENSION, vec![tool("echo")]).await;
    let gateway = Gateway::over(&upstream).await;
    let client = modern(&gateway);
    let id = create(&client, "echo", &upstream, "t-1").await;
    for method in ["tasks/list", "tasks/result"] {
        client.send(2, method, &about(&id)).await.refused(404, -32601).await;
    }
    let body = client.body(3, "tasks/get", &about(&id));
    let mut headers = vec![
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tasks/get"),
    ];
    gateway.send(&request("POST", "/mcp", &headers, body.as_bytes())).await.refused(400, -32020).await;
    headers.push(("mcp-name", "another"));
    gateway.send(&request("POST", "/mcp", &headers, body.as_bytes())).await.refused(400, -32020).await;
    client.send(4, "tasks/update", &about(&id)).await.refused(200, -32602).await;
    // The other form's parameter makes no task.
    let call = client.begin(5, "tools/call", r#""name":"echo","arguments":{},"task":{"ttl":1000}"#).await;
    upstream.take("tools/call").await.text_result("at once").await;
    assert_eq!(result(call).await["content"][0]["text"], "at once");
}

#[tokio::test]
async fn how_a_task_stands_is_told_to_those_who_listen_for_it_and_to_nobody_else() {
    for wire in WIRES {
        let upstream = offering(Era::Modern, wire, OFFERS_EXTENSION, vec![tool("echo")]).await;
        let gateway = Gateway::over(&upstream).await;
        let client = modern(&gateway);
        let (id, other) =
            (create(&client, "echo", &upstream, "t-1").await, create(&client, "echo", &upstream, "t-2").await);
        upstream.is_heard_by(1).await;
        let mut all = client.send(5, "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#).await;
        assert_eq!(all.message().await["method"], "notifications/subscriptions/acknowledged");
        upstream.takes("subscriptions/listen");
        let members = format!(r#""notifications":{{"taskIds":["{id}","forged"]}}"#);
        let listening = client.begin(7, "subscriptions/listen", &members).await;
        let mut arrived = upstream.take("subscriptions/listen").await;
        assert_eq!(arrived.params()["notifications"], json!({ "taskIds": ["t-1"] }));
        let tag = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{}}}"#, arrived.id());
        let granted = format!(r#""notifications":{{"taskIds":["t-1"]}},{tag}"#);
        arrived.notice("notifications/subscriptions/acknowledged", &granted).await;
        let mut stream = listening.answer().await;
        assert_eq!(stream.message().await["params"]["notifications"], json!({ "taskIds": [id] }));
        for (own, status) in [("t-2", "completed"), ("t-1", "completed")] {
            arrived.notice("notifications/tasks", &format!("{},{tag}", flat(own, status))).await;
        }
        let told = stream.message().await;
        assert_eq!((&told["method"], &told["params"]["taskId"]), (&json!("notifications/tasks"), &json!(id)));
        assert_eq!(told["params"]["_meta"], json!({ "io.modelcontextprotocol/subscriptionId": 7 }));
        assert_ne!(id, other);
        never("another's task", Duration::from_millis(200), all.message_text()).await;
        // Who stops listening is heard to.
        drop(stream);
        match wire {
            Wire::Http => arrived.is_given_up().await,
            Wire::Stdio => drop(upstream.take("notifications/cancelled").await),
        }
    }
}

/// A task of a program, and a client that listens for it by way of the second of two gateways: what it heard so far is that it does.
async fn listened_for_elsewhere(upstream: &Upstream) -> (Gateway, Gateway, Answer) {
    let mut settings = config(&[("up", upstream)]);
    settings["sealing"] = json!({ "keys": ["one key for all gateways, and long enough"] });
    settings["replicas"] = json!({ "listen": "127.0.0.1:0" });
    // What is over before is over for a better reason.
    settings["drain"] = json!("60s");
    let (home, other) = (Gateway::start(settings.clone()).await, Gateway::start(settings).await);
    let id = create(&modern(&home), "echo", upstream, "t-1").await;
    let away = modern(&other);
    let answer = format!(r#"{{"resultType":"complete",{}}}"#, flat("t-1", "working"));
    let (_arrived, shown) = asked(&away, upstream, "tasks/get", &about(&id), &answer).await;
    assert_eq!(shown["taskId"], json!(id));
    upstream.takes("subscriptions/listen");
    let members = format!(r#""notifications":{{"taskIds":["{id}"]}}"#);
    let listening = away.begin(7, "subscriptions/listen", &members).await;
    let mut arrived = upstream.take("subscriptions/listen").await;
    let tag = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{}}}"#, arrived.id());
    let granted = format!(r#""notifications":{{"taskIds":["t-1"]}},{tag}"#);
    arrived.notice("notifications/subscriptions/acknowledged", &granted).await;
    let mut stream = listening.answer().await;
    assert_eq!(stream.message().await["params"]["notifications"], json!({ "taskIds": [id] }));
    (home, other, stream)
}

#[tokio::test]
async fn a_task_of_a_program_is_served_and_listened_for_by_way_of_another_gateway() {
    let upstream = offering(Era::Modern, Wire::Stdio, OFFERS_EXTENSION, vec![tool("echo")]).await;
    let (_home, mut other, mut stream) = listened_for_elsewhere(&upstream).await;
    // The gateway that only passes it on stops: its client hears the end of it, and goes to another one.
    other.signal(Signal::TERM);
    let last = stream.message().await;
    assert!(last["id"] == 7 && last["result"].is_object(), "{last}");
    assert_eq!(other.exited().await, Some(0));
}

#[tokio::test]
async fn who_listens_by_way_of_another_gateway_is_told_that_the_task_s_own_was_lost() {
    let upstream = offering(Era::Modern, Wire::Stdio, OFFERS_EXTENSION, vec![tool("echo")]).await;
    let (mut home, _other, mut stream) = listened_for_elsewhere(&upstream).await;
    home.signal(Signal::KILL);
    home.exited().await;
    let last = stream.message().await;
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!(7), &json!(1011)), "{last}");
}

#[tokio::test]
async fn asking_for_a_task_counts_at_its_server() {
    let upstream = offering(Era::Modern, Wire::Http, OFFERS_EXTENSION, vec![tool("echo")]).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["limits"] = json!([{ "per": "server", "rate": "1/h", "burst": 2 }]);
    let gateway = Gateway::start(settings).await;
    let client = modern(&gateway);
    let id = create(&client, "echo", &upstream, "t-1").await;
    let working = format!(r#"{{"resultType":"complete",{}}}"#, flat("t-1", "working"));
    asked(&client, &upstream, "tasks/get", &about(&id), &working).await;
    client.send(3, "tasks/get", &about(&id)).await.refused(429, 1004).await;
    assert_eq!(upstream.count("tasks/get"), 1);
}
