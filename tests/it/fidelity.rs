//! What clients and servers say to each other passes unchanged: every number, name, escape and unknown member, in both directions.

use crate::kit::{Catalog, Era, Gateway, Legacy, Modern, Upstream, Wire, raw_member};

/// Everything that a reader of JSON may be tempted to improve.
const DELICATE: &str = r#"{"z":12345678901234567890123,"a":1.10,"e":1e2,"E":-0.0E+05,"long":0.1234567890123456789012345678901234567890,"max":9007199254740993,"text":"\u0041\/\u00e9é\ud83d\ude00😀\n\t\"\\","":{"":[null,true,[],{}]},"dup":1,"dup":2,"unknown":{"z":1,"a":2},"__proto__":{"x":1}}"#;

const EVERYWHERE: [(Era, Wire); 4] =
    [(Era::Modern, Wire::Http), (Era::Legacy, Wire::Http), (Era::Modern, Wire::Stdio), (Era::Legacy, Wire::Stdio)];

/// The members that a server's result has besides those that an era demands.
fn result() -> String {
    format!(
        r#"{{"content":[{{"type":"text","text":"x","vendor":{DELICATE}}},{{"type":"unheard-of","n":1.10}}],"structuredContent":{DELICATE},"isError":false,"unknown":{DELICATE}}}"#
    )
}

#[tokio::test]
async fn arguments_and_results_of_tools_pass_byte_for_byte() {
    for (era, wire) in EVERYWHERE {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let modern = Modern::of(&gateway).begin_call(1, "echo", DELICATE).await;
        let mut from_modern = upstream.take("tools/call").await;
        let legacy = Legacy::open(&gateway).await.begin_call(1, "echo", DELICATE).await;
        let mut from_legacy = upstream.take("tools/call").await;
        for arrived in [&from_modern, &from_legacy] {
            assert_eq!(raw_member(&arrived.text, &["params", "arguments"]), DELICATE, "{era:?} {wire:?}");
        }
        from_modern.result(&result()).await;
        from_legacy.result(&result()).await;
        for call in [modern, legacy] {
            let text = call.answer().await.response_text().await;
            for member in ["content", "structuredContent", "isError", "unknown"] {
                let expected = raw_member(&result(), &[member]);
                assert_eq!(raw_member(&text, &["result", member]), expected, "{era:?} {wire:?}");
            }
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn members_of_a_call_that_nobody_knows_pass_to_the_server() {
    for (era, wire) in EVERYWHERE {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let members = format!(r#""vendor":{DELICATE},"name":"echo","arguments":{{}}"#);
        let modern = Modern::of(&gateway).meta(&format!(r#""com.example/x":{DELICATE}"#));
        let call = modern.begin(1, "tools/call", &members).await;
        let mut arrived = upstream.take("tools/call").await;
        assert_eq!(raw_member(&arrived.text, &["params", "vendor"]), DELICATE);
        assert_eq!(raw_member(&arrived.text, &["params", "_meta", "com.example/x"]), DELICATE);
        arrived.result(&format!(r#"{{"content":[],"_meta":{{"com.example/y":{DELICATE}}}}}"#)).await;
        let text = call.answer().await.response_text().await;
        assert_eq!(raw_member(&text, &["result", "_meta", "com.example/y"]), DELICATE);
    }
}

#[tokio::test]
async fn an_id_comes_back_as_it_was_sent() {
    for (era, wire) in [(Era::Modern, Wire::Http), (Era::Legacy, Wire::Stdio)] {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let legacy = Legacy::open(&gateway).await;
        for id in ["0", "-7", "9007199254740993", r#""""#, r#""1""#, r#""\u0041\/é""#] {
            for era in [Era::Modern, Era::Legacy] {
                let call = match era {
                    Era::Modern => Modern::of(&gateway).begin_call(id, "echo", "{}").await,
                    Era::Legacy => legacy.begin_call(id, "echo", "{}").await,
                };
                upstream.take("tools/call").await.text_result("x").await;
                let answered = raw_member(&call.answer().await.response_text().await, &["id"]);
                // The same value of the same type; how a string is escaped is nobody's.
                let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                assert_eq!(value(&answered), value(id));
            }
        }
    }
}

#[tokio::test]
async fn resources_prompts_and_extensions_pass_byte_for_byte() {
    for (era, wire) in EVERYWHERE {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let legacy = Legacy::open(&gateway).await;
        let cases = [
            ("resources/read", r#""uri":"it://one""#.to_owned(), "contents"),
            ("prompts/get", format!(r#""name":"greet","arguments":{DELICATE}"#), "messages"),
            ("com.example/extension", format!(r#""arguments":{DELICATE}"#), "anything"),
        ];
        for (method, members, member) in cases {
            for client in [Era::Modern, Era::Legacy] {
                let call = match client {
                    Era::Modern => Modern::of(&gateway).begin(1, method, &members).await,
                    Era::Legacy => legacy.begin_post(&Legacy::body(1, method, &members)).await,
                };
                let mut arrived = upstream.take(method).await;
                if members.contains("arguments") {
                    assert_eq!(raw_member(&arrived.text, &["params", "arguments"]), DELICATE);
                }
                arrived.result(&format!(r#"{{"{member}":[{DELICATE}]}}"#)).await;
                let text = call.answer().await.response_text().await;
                assert_eq!(
                    raw_member(&text, &["result", member]),
                    format!("[{DELICATE}]"),
                    "{era:?} {wire:?} {method}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_a_server_says_of_its_tools_passes_byte_for_byte() {
    for (era, wire) in EVERYWHERE {
        let entry = format!(
            r#"{{"name":"odd","x-vendor":{DELICATE},"inputSchema":{{"type":"object","default":{DELICATE}}},"annotations":{{"later":1.10}}}}"#
        );
        let upstream =
            Upstream::offering(era, wire, Catalog { tools: vec![entry.clone()], ..Catalog::default() }).await;
        let gateway = Gateway::over(&upstream).await;
        let modern = Modern::of(&gateway).send(1, "tools/list", "").await.response_text().await;
        let legacy = Legacy::open(&gateway).await.send(1, "tools/list", "").await.response_text().await;
        for text in [modern, legacy] {
            assert_eq!(raw_member(&text, &["result", "tools"]), format!("[{entry}]"), "{era:?} {wire:?}");
        }
    }
}

#[tokio::test]
async fn progress_and_log_messages_pass_byte_for_byte_under_the_clients_own_token() {
    for (era, wire) in EVERYWHERE {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        for token in ["7", r#""7""#, r#""é\n""#] {
            let client = Modern::of(&gateway)
                .meta(&format!(r#""progressToken":{token},"io.modelcontextprotocol/logLevel":"debug""#));
            let call = client.begin_call(1, "echo", "{}").await;
            let mut arrived = upstream.take("tools/call").await;
            arrived.progress(format!(r#"1.10,"total":1e2,"message":"é\u0041","vendor":{DELICATE}"#)).await;
            arrived.notice("notifications/message", &format!(r#""level":"info","data":{DELICATE}"#)).await;
            arrived.text_result("done").await;
            let mut stream = call.answer().await;
            let progress = stream.message_text().await.unwrap();
            assert_eq!(raw_member(&progress, &["params", "progressToken"]), token);
            for (member, expected) in
                [("progress", "1.10"), ("total", "1e2"), ("message", r#""é\u0041""#), ("vendor", DELICATE)]
            {
                assert_eq!(raw_member(&progress, &["params", member]), expected);
            }
            let log = stream.message_text().await.unwrap();
            assert_eq!(raw_member(&log, &["params", "data"]), DELICATE);
            // The next call begins when this one is over: of two in flight, nobody knows whose a log message is.
            assert_eq!(stream.response().await["result"]["content"][0]["text"], "done");
        }
    }
}

#[tokio::test]
async fn a_message_over_many_lines_of_a_stream_is_one_message() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let arrived = upstream.take("tools/call").await;
    let pretty =
        format!("{{\"jsonrpc\":\"2.0\",\n \"id\":{},\r\n \"result\":{{\"content\":[],\n\"n\":1.10}}}}", arrived.id());
    arrived.respond(200, "content-type: application/json\r\n", &pretty).await;
    let text = call.answer().await.response_text().await;
    assert_eq!(raw_member(&text, &["result", "n"]), "1.10");
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let arrived = upstream.take("tools/call").await;
    let events = format!(
        ": hello\n\nevent: message\ndata: {{\"jsonrpc\":\"2.0\",\ndata: \"id\":{},\ndata: \"result\":{{\"content\":[],\"n\":1.10}}}}\n\n",
        arrived.id()
    );
    arrived.respond(200, "content-type: text/event-stream\r\n", &events).await;
    let text = call.answer().await.response_text().await;
    assert_eq!(raw_member(&text, &["result", "n"]), "1.10");
}
