//! Servers that hang, crash, talk nonsense or answer what nobody asked: one call fails, promptly, and nothing else does.

use serde_json::{Value, json};

use crate::kit::{Arrived, Era, Gateway, Legacy, Modern, Upstream, Wire, config, soon};

const EVERYWHERE: [(Era, Wire); 4] =
    [(Era::Modern, Wire::Http), (Era::Legacy, Wire::Http), (Era::Modern, Wire::Stdio), (Era::Legacy, Wire::Stdio)];

/// A gateway in front of a server that fails as `change` allows it to, and of one that does not.
async fn beside(upstream: &Upstream, change: Value) -> (Upstream, Gateway) {
    let sane = Upstream::offering(
        Era::Modern,
        Wire::Http,
        crate::kit::Catalog { tools: vec![crate::kit::tool("sane")], ..Default::default() },
    )
    .await;
    let mut settings = config(&[("up", upstream), ("sane", &sane)]);
    for (key, value) in change.as_object().unwrap() {
        settings["mcpServers"]["up"][key] = value.clone();
    }
    let gateway = Gateway::start(settings).await;
    // Everything is warm: what follows is about the failure alone.
    let call = Modern::of(&gateway).begin_call(0, "echo", "{}").await;
    upstream.take("tools/call").await.text_result("warm").await;
    assert_eq!(call.answer().await.status, 200);
    (sane, gateway)
}

/// A call of each era fails with `code` after the server did `act`; another server's call in flight is not disturbed.
async fn fails(upstream: &Upstream, change: Value, code: i64, act: impl AsyncFn(&mut Arrived)) {
    let (sane, gateway) = beside(upstream, change).await;
    for is_modern in [true, false] {
        let undisturbed = Modern::of(&gateway).begin_call("\"s\"", "sane", "{}").await;
        let mut other = sane.take("tools/call").await;
        let call = if is_modern {
            Modern::of(&gateway).begin_call("\"x\"", "echo", "{}").await
        } else {
            Legacy::open(&gateway).await.begin_call("\"x\"", "echo", "{}").await
        };
        let mut arrived = upstream.take("tools/call").await;
        act(&mut arrived).await;
        let answer = soon("the failure is told", call.answer()).await;
        let error = answer.refused(200, code).await;
        assert_eq!((&error["id"], &error["error"]["data"]["server"]), (&json!("x"), &json!("up")), "{error}");
        other.text_result("undisturbed").await;
        assert_eq!(undisturbed.answer().await.response().await["result"]["content"][0]["text"], "undisturbed");
    }
    // The next call works: the server is reached anew where it has to be.
    let call = Modern::of(&gateway).begin_call(9, "echo", "{}").await;
    upstream.take("tools/call").await.text_result("again").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "again");
}

#[tokio::test]
async fn a_server_that_hangs_times_out_and_is_told_so() {
    for (era, wire) in EVERYWHERE {
        let upstream = Upstream::new(era, wire).await;
        fails(&upstream, json!({ "timeout": "300ms" }), 1002, async |_| ()).await;
        if (era, wire) != (Era::Modern, Wire::Http) {
            upstream.take("notifications/cancelled").await;
        }
    }
}

#[tokio::test]
async fn progress_keeps_a_call_alive_until_the_total_time_is_over() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["timeout"] = json!("400ms");
    settings["mcpServers"]["up"]["totalTimeout"] = json!("1500ms");
    let gateway = Gateway::start(settings).await;
    let call = Modern::of(&gateway).meta(r#""progressToken":1"#).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    let talking = async {
        for step in 1.. {
            arrived.progress(step).await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let listening = async { call.answer().await.all().await };
    let messages = tokio::select! {
        () = talking => unreachable!("it talks on"),
        messages = listening => messages,
    };
    assert!(messages.len() > 10, "progress held it open beyond the shorter time");
    assert_eq!(messages.last().unwrap()["error"]["code"], 1002);
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_of_a_call_fails_that_call() {
    for (era, wire) in EVERYWHERE {
        let upstream = Upstream::new(era, wire).await;
        fails(&upstream, json!({}), 1001, async |arrived| arrived.hang_up().await).await;
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_fails_the_call_on_it() {
    for era in [Era::Modern, Era::Legacy] {
        let upstream = Upstream::new(era, Wire::Http).await;
        fails(&upstream, json!({}), 1001, async |arrived| arrived.reset().await).await;
    }
}

#[tokio::test]
async fn a_stream_that_ends_without_an_answer_fails_the_call() {
    for era in [Era::Modern, Era::Legacy] {
        let upstream = Upstream::new(era, Wire::Http).await;
        let act = async |arrived: &mut Arrived| {
            arrived.open_stream().await;
            arrived.end().await;
        };
        fails(&upstream, json!({}), 1001, act).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_no_message_fails_the_call() {
    for era in [Era::Modern, Era::Legacy] {
        for garbage in
            ["", "<html>", "{\"jsonrpc\":\"2.0\"}", "[1,2]", "{\"jsonrpc\":\"2.0\",\"id\":99999,\"result\":{}}"]
        {
            let upstream = Upstream::new(era, Wire::Http).await;
            fails(&upstream, json!({}), 1005, async |arrived| arrived.finish(garbage).await).await;
        }
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_fails_the_call_and_one_at_the_limit_passes() {
    for (era, wire) in EVERYWHERE {
        let upstream = Upstream::new(era, wire).await;
        let limit = 8192;
        let whole = |arrived: &Arrived, length: usize| {
            let empty = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[],"pad":""}}}}"#, arrived.id());
            empty.replace(r#""pad":"""#, &format!(r#""pad":"{}""#, "x".repeat(length - empty.len())))
        };
        let act = async |arrived: &mut Arrived| {
            let text = whole(arrived, limit + 1);
            arrived.finish(&text).await;
        };
        fails(&upstream, json!({ "maxMessage": limit }), 1005, act).await;
        let (_sane, gateway) = beside(&upstream, json!({ "maxMessage": limit })).await;
        let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        let text = whole(&arrived, limit);
        arrived.finish(&text).await;
        assert!(call.answer().await.response().await["result"]["pad"].is_string());
    }
}

#[tokio::test]
async fn of_several_calls_of_a_child_the_one_whose_answer_is_too_long_fails_at_once() {
    for era in [Era::Modern, Era::Legacy] {
        let upstream = Upstream::new(era, Wire::Stdio).await;
        let (_sane, gateway) = beside(&upstream, json!({ "maxMessage": 8192 })).await;
        let pad = "x".repeat(300_000);
        for is_id_first in [true, false] {
            let calls = [1, 2].map(|id| (id, Modern::of(&gateway)));
            let mut begun = Vec::new();
            let mut arrived = Vec::new();
            for (id, client) in &calls {
                begun.push(client.begin_call(id, "echo", "{}").await);
                arrived.push(upstream.take("tools/call").await);
            }
            let (mut second, first) = (arrived.pop().unwrap(), arrived.pop().unwrap());
            let result = format!(r#""result":{{"content":[],"pad":"{pad}"}}"#);
            let mut lost = first;
            let id = lost.id().clone();
            let text = if is_id_first {
                format!(r#"{{"jsonrpc":"2.0","id":{id},{result}}}"#)
            } else {
                format!(r#"{{{result},"jsonrpc":"2.0","id":{id}}}"#)
            };
            lost.finish(&text).await;
            let (other, call) = (begun.pop().unwrap(), begun.pop().unwrap());
            call.answer().await.refused(200, 1005).await;
            second.text_result("undisturbed").await;
            assert_eq!(other.answer().await.response().await["result"]["content"][0]["text"], "undisturbed");
        }
    }
}

#[tokio::test]
async fn a_list_beyond_the_limit_leaves_the_call_beside_it_alone() {
    for era in [Era::Modern, Era::Legacy] {
        let upstream = Upstream::new(era, Wire::Stdio).await;
        let (_sane, gateway) = beside(&upstream, json!({ "maxMessage": 8192 })).await;
        let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        upstream.takes("prompts/list");
        let listing = Modern::of(&gateway).begin(2, "prompts/list", "").await;
        let list = format!(r#"{{"prompts":[],"pad":"{}"}}"#, "x".repeat(9000));
        upstream.take("prompts/list").await.result(&list).await;
        arrived.text_result("undisturbed").await;
        assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "undisturbed");
        drop(listing);
    }
}

#[tokio::test]
async fn lines_that_are_no_messages_are_skipped() {
    for era in [Era::Modern, Era::Legacy] {
        let upstream = Upstream::new(era, Wire::Stdio).await;
        let gateway = Gateway::over(&upstream).await;
        let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        for garbage in
            ["", "Server started on stdio", "{", "[]", "{\"jsonrpc\":\"2.0\"}", "null", "\u{feff}hello", "[1,[2]]"]
        {
            arrived.say(garbage).await;
        }
        arrived.write(b"\xff\xfe\x00 not UTF-8\n").await;
        arrived.text_result("after all that").await;
        assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "after all that");
    }
}

#[tokio::test]
async fn answers_to_unknown_ids_and_second_answers_reach_nobody() {
    for (era, wire) in EVERYWHERE {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let call = Modern::of(&gateway).begin_call(1, "echo", r#"{"n":1}"#).await;
        let mut arrived = upstream.take("tools/call").await;
        let other = Modern::of(&gateway).begin_call(1, "echo", r#"{"n":2}"#).await;
        let mut other_arrived = upstream.take("tools/call").await;
        for id in [json!(999_999), json!("1"), json!(-1), Value::Null] {
            arrived.say(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"wrong":true}}}}"#)).await;
        }
        let own = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[],"right":1}}}}"#, arrived.id());
        arrived.say(&own).await;
        arrived.say(&own).await;
        other_arrived.result(r#"{"content":[],"right":2}"#).await;
        assert_eq!(call.answer().await.response().await["result"]["right"], 1);
        assert_eq!(other.answer().await.response().await["result"]["right"], 2);
    }
}

#[tokio::test]
async fn an_answer_under_another_calls_id_does_not_reach_that_call_over_http() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let call = Modern::of(&gateway).begin_call(1, "echo", r#"{"n":1}"#).await;
    let mut arrived = upstream.take("tools/call").await;
    let other = Modern::of(&gateway).begin_call(1, "echo", r#"{"n":2}"#).await;
    let mut other_arrived = upstream.take("tools/call").await;
    arrived.finish(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"stolen":true}}}}"#, other_arrived.id())).await;
    call.answer().await.refused(200, 1005).await;
    other_arrived.result(r#"{"content":[],"right":2}"#).await;
    assert_eq!(other.answer().await.response().await["result"]["right"], 2);
}

#[tokio::test]
async fn statuses_of_a_server_become_faults_that_name_it() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    for (status, code) in [(500, 1001), (502, 1001), (503, 1001), (429, 1001), (401, 1001), (403, 1001), (202, 1005)] {
        let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
        upstream.take("tools/call").await.respond(status, "content-type: text/plain\r\n", "no").await;
        let error = call.answer().await.refused(200, code).await;
        assert_eq!(error["error"]["data"]["server"], "up", "{status}");
    }
}

#[tokio::test]
async fn a_servers_own_errors_pass_as_they_are() {
    for (era, wire) in EVERYWHERE {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        for code in [-32602, -32603, 42, -32042] {
            let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
            let mut arrived = upstream.take("tools/call").await;
            let id = arrived.id().clone();
            let error =
                format!(r#"{{"code":{code},"message":"mine","data":{{"big":12345678901234567890123,"b":1,"a":2}}}}"#);
            arrived.finish(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)).await;
            let text = call.answer().await.response_text().await;
            if code == -32042 {
                assert!(
                    text.contains(r#""code":-32603"#),
                    "a code of an older revision does not reach a modern client: {text}"
                );
            } else {
                assert_eq!(crate::kit::raw_member(&text, &["error"]), error);
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_started_fails_calls_at_once_and_takes_none_with_it() {
    let sane = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("sane", &sane)]);
    settings["mcpServers"]["gone"] = json!({ "command": "/no/such/program" });
    settings["mcpServers"]["refused"] = json!({ "url": "http://127.0.0.1:9/mcp" });
    settings["mcpServers"]["dies"] = json!({ "command": "sh", "args": ["-c", "exit 1"] });
    settings["endpoints"]["/mcp"]["names"] = json!("prefixed");
    let gateway = Gateway::start(settings).await;
    for server in ["gone", "refused", "dies"] {
        let error = Modern::of(&gateway).call(1, &format!("{server}__x"), "{}").await.refused(200, 1001).await;
        assert_eq!(error["error"]["data"]["server"], server);
    }
    let call = Modern::of(&gateway).begin_call(1, "sane__echo", "{}").await;
    sane.take("tools/call").await.text_result("fine").await;
    assert_eq!(call.answer().await.status, 200);
}
