//! Tools that run as tasks only, for clients that know no such tasks.

use super::*;

async fn slow(wire: Wire) -> Upstream {
    offering(Era::Legacy, wire, OFFERS_CORE, vec![task_tool("slow", "required"), task_tool("quick", "optional")]).await
}

/// Takes the call that the gateway made a task of, and makes one.
async fn create(upstream: &Upstream) -> Arrived {
    let mut arrived = upstream.take("tools/call").await;
    assert!(arrived.params()["task"]["ttl"].as_u64().is_some_and(|ttl| ttl > 0), "{}", arrived.text);
    arrived.result(&format!(r#"{{"task":{{{}}}}}"#, task("t-1", "working"))).await;
    arrived
}

async fn looks(upstream: &Upstream, status: &str) {
    let mut arrived = upstream.take("tasks/get").await;
    assert_eq!(arrived.params()["taskId"], "t-1");
    arrived.result(&format!("{{{}}}", task("t-1", status))).await;
}

fn came(content: &str) -> String {
    format!(r#"{{"content":[{{"type":"text","text":"{content}"}}],{}}}"#, related("t-1"))
}

#[tokio::test]
async fn the_gateway_waits_for_the_task_and_answers_with_what_came_of_it() {
    for wire in WIRES {
        let upstream = slow(wire).await;
        let gateway = Gateway::over(&upstream).await;
        // Neither who knows the other form nor who knows none is bothered.
        for client in [modern(&gateway), Modern::of(&gateway)] {
            let call = client.begin_call(1, "slow", r#"{"n":1.10}"#).await;
            create(&upstream).await;
            for status in ["working", "working", "completed"] {
                looks(&upstream, status).await;
            }
            let mut arrived = upstream.take("tasks/result").await;
            assert_eq!(arrived.params()["taskId"], "t-1");
            arrived.result(&came("at last")).await;
            let result = result(call).await;
            assert_eq!(result["content"][0]["text"], "at last");
            assert_eq!((&result["resultType"], result.get("_meta")), (&json!("complete"), None));
        }
        let listed = Modern::of(&gateway).send(2, "tools/list", "").await.response().await;
        assert!(listed["result"]["tools"][0].get("execution").is_none());
        // An older client, too.
        let client = Legacy::open_with(&gateway, "2025-06-18", "{}").await;
        let call = client.begin_call(3, "slow", "{}").await;
        create(&upstream).await;
        looks(&upstream, "failed").await;
        upstream.take("tasks/result").await.error(-32000, "it broke").await;
        assert_eq!(call.answer().await.refused(200, -32000).await["error"]["message"], "it broke");
        assert_eq!(upstream.count("tasks/cancel"), 0);
    }
}

#[tokio::test]
async fn a_client_of_that_revision_hears_the_server_s_own_refusal() {
    let upstream = slow(Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let call = legacy(&gateway).await.begin_call(1, "slow", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    assert!(arrived.params().get("task").is_none());
    arrived.error(-32601, "needs a task").await;
    call.answer().await.refused(200, -32601).await;
}

#[tokio::test]
async fn a_tool_that_may_do_without_is_called_without() {
    for wire in WIRES {
        let upstream = slow(wire).await;
        let gateway = Gateway::over(&upstream).await;
        let members = r#""name":"quick","arguments":{},"task":{"ttl":1000}"#;
        let call = modern(&gateway).begin(1, "tools/call", members).await;
        let mut arrived = upstream.take("tools/call").await;
        assert!(arrived.params().get("task").is_none(), "{}", arrived.text);
        arrived.text_result("at once").await;
        assert_eq!(result(call).await["content"][0]["text"], "at once");
    }
}

#[tokio::test]
async fn progress_and_a_change_told_unasked_are_heard_while_it_waits() {
    for wire in WIRES {
        let upstream = slow(wire).await;
        let gateway = Gateway::over(&upstream).await;
        let call = modern(&gateway).meta(r#""progressToken":"p""#).begin_call(1, "slow", "{}").await;
        create(&upstream).await;
        looks(&upstream, "working").await;
        upstream.is_heard_by(1).await;
        for progress in [1, 2] {
            let members = format!(r#""progressToken":9,"progress":{progress},{}"#, related("t-1"));
            upstream.tell("notifications/progress", &members).await;
        }
        upstream.tell("notifications/progress", &format!(r#""progressToken":9,"progress":3,{}"#, related("t-2"))).await;
        upstream.tell("notifications/tasks/status", &task("t-1", "completed")).await;
        let mut fetch = loop {
            let mut arrived = upstream.take_if("a request", |arrived| arrived.method().starts_with("tasks/")).await;
            if arrived.method() == "tasks/result" {
                break arrived;
            }
            arrived.result(&format!("{{{}}}", task("t-1", "working"))).await;
        };
        fetch.result(&came("at last")).await;
        let messages = call.answer().await.all().await;
        let (last, before) = messages.split_last().unwrap();
        assert_eq!(last["result"]["content"][0]["text"], "at last");
        let progress: Vec<_> = before
            .iter()
            .map(|message| (&message["params"]["progressToken"], &message["params"]["progress"]))
            .collect();
        assert_eq!(progress, [(&json!("p"), &json!(1)), (&json!("p"), &json!(2))]);
        assert!(before.iter().all(|message| message["params"].get("_meta").is_none()), "{before:?}");
    }
}

#[tokio::test]
async fn the_question_of_the_task_becomes_a_round_of_the_call() {
    for wire in WIRES {
        let upstream = slow(wire).await;
        let gateway = Gateway::over(&upstream).await;
        let client = modern(&gateway);
        let call = client.begin_call(1, "slow", "{}").await;
        create(&upstream).await;
        looks(&upstream, "input_required").await;
        let mut arrived = upstream.take("tasks/result").await;
        arrived.ask(&json!("q"), "elicitation/create", &format!("{{{FORM},{}}}", related("t-1"))).await;
        let needed = result(call).await;
        assert_eq!(needed["resultType"], "input_required");
        let (key, request) = needed["inputRequests"].as_object().unwrap().iter().next().unwrap();
        assert!(request["params"].get("_meta").is_none(), "{request}");
        let members = format!(
            r#""name":"slow","arguments":{{}},"requestState":{},"inputResponses":{{"{key}":{{"action":"accept","content":{{"name":"x"}}}}}}"#,
            needed["requestState"]
        );
        let again = client.begin(2, "tools/call", &members).await;
        assert_eq!(upstream.answer(&json!("q")).await.json["result"]["content"]["name"], "x");
        arrived.result(&came("thanks")).await;
        assert_eq!(result(again).await["content"][0]["text"], "thanks");
        assert_eq!((upstream.count("tools/call"), upstream.count("tasks/cancel")), (1, 0));
    }
}

#[tokio::test]
async fn a_client_that_gives_up_cancels_the_task_and_not_the_request() {
    for wire in WIRES {
        let upstream = slow(wire).await;
        let gateway = Gateway::over(&upstream).await;
        // While it waits, and before the task is there at all.
        let call = modern(&gateway).begin_call(1, "slow", "{}").await;
        create(&upstream).await;
        let looked = upstream.take("tasks/get").await;
        drop(call);
        let mut arrived = upstream.take("tasks/cancel").await;
        assert_eq!(arrived.params()["taskId"], "t-1");
        arrived.result(&format!("{{{}}}", task("t-1", "cancelled"))).await;
        assert_eq!(upstream.take("notifications/cancelled").await.params()["requestId"], *looked.id());
        let call = modern(&gateway).begin_call(2, "slow", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        drop(call);
        gateway.metric("myelin_requests_in_flight", "0").await;
        arrived.result(&format!(r#"{{"task":{{{}}}}}"#, task("t-2", "working"))).await;
        assert_eq!(upstream.take("tasks/cancel").await.params()["taskId"], "t-2");
        assert_eq!(upstream.count("notifications/cancelled"), 1, "that is not for what becomes a task");
    }
}

#[tokio::test]
async fn a_task_that_takes_longer_than_a_call_may_is_cancelled() {
    let upstream = slow(Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["totalTimeout"] = json!("1s");
    settings["mcpServers"]["up"]["timeout"] = json!("1s");
    let gateway = Gateway::start(settings).await;
    let call = modern(&gateway).begin_call(1, "slow", "{}").await;
    create(&upstream).await;
    upstream.leaves("tasks/get");
    let polls = async {
        loop {
            looks(&upstream, "working").await;
        }
    };
    let refused = async { call.answer().await.refused(200, 1002).await };
    tokio::select! {
        () = polls => (),
        refusal = refused => assert_eq!(refusal["error"]["data"]["server"], "up"),
    }
    assert_eq!(upstream.take("tasks/cancel").await.params()["taskId"], "t-1");
}
