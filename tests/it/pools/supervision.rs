//! Children that fail: started again, and left alone when that is of no use.

use serde_json::{Value, json};

use crate::kit::{Era, Gateway, Modern, Upstream, Wire, config, until};

#[tokio::test]
async fn a_crash_loop_is_left_alone_and_said_so_everywhere() {
    let sane = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("sane", &sane)]);
    settings["mcpServers"]["loop"] = json!({
        "command": "sh",
        "args": ["-c", "echo no licence >&2; exit 1"],
        "era": "legacy",
        "restart": { "failures": 3, "wait": "1ms", "maxWait": "1ms" },
    });
    settings["endpoints"]["/loop"] = json!({ "servers": ["loop"] });
    let gateway = Gateway::start(settings).await;
    let client = Modern::of(&gateway).at("/loop");
    let mut last = Value::Null;
    for id in 0..50 {
        last = client.call(id, "x", "{}").await.response().await;
        assert_eq!(last["error"]["code"], 1001, "{last}");
    }
    let said = last["error"]["message"].as_str().unwrap();
    assert!(said.contains("failed too often"), "{said}");
    gateway.metric(r#"myelin_upstream_state{server="loop",state="parked"}"#, "1").await;
    gateway.metric(r#"myelin_upstream_parked{server="loop"}"#, "1").await;
    let ready: Value = serde_json::from_str(&gateway.admin("/readyz").await.1).unwrap();
    let problem = ready["problems"].as_array().unwrap().iter().find(|problem| problem["server"] == "loop").unwrap();
    assert!(problem["problem"].as_str().unwrap().contains("left alone"), "{problem}");
    assert!(gateway.log().contains("server failed too often and is left alone"));
    assert_eq!(gateway.processes().len(), 1, "nothing of it runs");
}

#[tokio::test]
async fn a_child_that_ends_before_it_answered_is_part_of_a_loop_and_one_that_answered_is_not() {
    let upstream = Upstream::new(Era::Modern, Wire::Stdio).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["restart"] = json!({ "failures": 3, "wait": "1ms", "maxWait": "1ms" });
    let gateway = Gateway::start(settings).await;
    let client = Modern::of(&gateway);
    // More often than it may fail.
    for id in 0..5 {
        let call = client.begin_call(id, "echo", "{}").await;
        upstream.take("tools/call").await.text_result("fine").await;
        assert_eq!(call.answer().await.status, 200);
        let call = client.begin_call(id, "echo", "{}").await;
        upstream.take("tools/call").await.hang_up().await;
        call.answer().await.refused(200, 1001).await;
    }
    for id in 0..3 {
        let call = client.begin_call(id, "echo", "{}").await;
        upstream.take("tools/call").await.hang_up().await;
        call.answer().await.refused(200, 1001).await;
        gateway.metric(r#"myelin_upstream_children{server="up"}"#, "0").await;
    }
    let refused = client.call(9, "echo", "{}").await.refused(200, 1001).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("failed too often"), "{refused}");
}

#[tokio::test]
async fn a_child_that_answers_nothing_at_all_is_asked_and_ended_and_one_that_works_is_not() {
    for era in [Era::Legacy, Era::Modern] {
        let upstream = Upstream::new(era, Wire::Stdio).await;
        let mut settings = config(&[("up", &upstream)]);
        settings["mcpServers"]["up"]["ping"] = json!({ "after": "200ms", "timeout": "200ms" });
        let gateway = Gateway::start(settings).await;
        let question = if era == Era::Legacy { "ping" } else { "server/discover" };
        let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
        let mut works = upstream.take("tools/call").await;
        let before = upstream.count(question);
        until("it is asked, and answers", || upstream.count(question) >= before + 2).await;
        works.text_result("it works").await;
        assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "it works");
        upstream.takes(question);
        let call = Modern::of(&gateway).begin_call(2, "echo", "{}").await;
        let mut hangs = upstream.take("tools/call").await;
        let error = call.answer().await.refused(200, 1002).await;
        assert!(error["error"]["message"].as_str().unwrap().contains("does not answer any more"), "{error}");
        hangs.is_given_up().await;
    }
}
