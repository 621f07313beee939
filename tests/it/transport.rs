//! What else clients may speak: HTTP+SSE, batches, browsers, streams that are silent for long.

use serde_json::{Value, json};

use crate::kit::{Answer, Client, Era, Gateway, Legacy, Modern, Upstream, Wire, config, request};

const JSON: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];

/// Opens the stream of 2024-11-05 and answers with it and the address for messages.
async fn sse(gateway: &Gateway) -> (Answer, String) {
    let mut stream = gateway.send(&request("GET", "/sse", &[("accept", "text/event-stream")], b"")).await;
    let endpoint = stream.event().await.unwrap();
    assert_eq!(endpoint.event.as_deref(), Some("endpoint"));
    (stream, endpoint.data)
}

async fn message(gateway: &Gateway, path: &str, body: &str) -> u16 {
    gateway.send(&request("POST", path, &JSON[..1], body.as_bytes())).await.status
}

const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"it","version":"1"}}}"#;

#[tokio::test]
async fn the_transport_of_2024_11_05_carries_calls_on_its_stream() {
    for (era, wire) in [(Era::Modern, Wire::Http), (Era::Legacy, Wire::Stdio)] {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let (mut stream, path) = sse(&gateway).await;
        assert_eq!(message(&gateway, &path, HELLO).await, 202);
        let greeting = stream.message().await;
        assert_eq!((&greeting["id"], &greeting["result"]["protocolVersion"]), (&json!(1), &json!("2024-11-05")));
        assert_eq!(message(&gateway, &path, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await, 202);
        let call = Legacy::body(2, "tools/call", r#""name":"echo","arguments":{},"_meta":{"progressToken":"p"}"#);
        assert_eq!(message(&gateway, &path, &call).await, 202);
        let mut arrived = upstream.take("tools/call").await;
        arrived.progress(1).await;
        arrived.text_result("on the stream").await;
        assert_eq!(stream.message().await["params"]["progressToken"], "p");
        let answer = stream.message().await;
        assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(2), &json!("on the stream")));
        upstream.is_heard_by(1).await;
        upstream.tell("notifications/tools/list_changed", "").await;
        assert_eq!(stream.message().await["method"], "notifications/tools/list_changed");
        // The session lives as long as its stream.
        assert_eq!(message(&gateway, "/messages?session_id=guessed", &call).await, 404);
        assert_eq!(message(&gateway, &path, "{").await, 400);
        assert_eq!(message(&gateway, &path, &call.replace(r#""id":2"#, r#""id":3"#)).await, 202);
        let mut arrived = upstream.take("tools/call").await;
        drop(stream);
        if wire == Wire::Http {
            arrived.is_given_up().await
        } else {
            drop(upstream.take("notifications/cancelled").await)
        }
        assert_eq!(message(&gateway, &path, &call).await, 404);
    }
}

#[tokio::test]
async fn two_streams_of_2024_11_05_do_not_hear_each_other() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let ((mut first, to_first), (mut second, to_second)) = (sse(&gateway).await, sse(&gateway).await);
    for (stream, path) in [(&mut first, &to_first), (&mut second, &to_second)] {
        message(&gateway, path, HELLO).await;
        stream.message().await;
    }
    message(&gateway, &to_first, &Legacy::body(2, "tools/call", r#""name":"echo","arguments":{"of":1}"#)).await;
    let mut of_first = upstream.take("tools/call").await;
    message(&gateway, &to_second, &Legacy::body(2, "tools/call", r#""name":"echo","arguments":{"of":2}"#)).await;
    let mut of_second = upstream.take("tools/call").await;
    of_second.text_result("second").await;
    of_first.text_result("first").await;
    assert_eq!(first.message().await["result"]["content"][0]["text"], "first");
    assert_eq!(second.message().await["result"]["content"][0]["text"], "second");
}

#[tokio::test]
async fn a_batch_of_2025_03_26_is_answered_call_by_call() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let client = Legacy::open_with(&gateway, "2025-03-26", "{}").await;
    let batch = format!(
        r#"[{},{{"jsonrpc":"2.0","method":"notifications/whatever"}},{},{}]"#,
        Legacy::body(1, "tools/call", r#""name":"echo","arguments":{"n":1}"#),
        Legacy::body(r#""1""#, "tools/call", r#""name":"echo","arguments":{"n":2}"#),
        Legacy::body(3, "ping", ""),
    );
    let call = client.begin_post(&batch).await;
    for _ in 0..2 {
        let mut arrived = upstream.take("tools/call").await;
        let number = arrived.params()["arguments"]["n"].clone();
        arrived.text_result(&number.to_string()).await;
    }
    let messages = call.answer().await.all().await;
    let messages: Vec<Value> = messages
        .into_iter()
        .flat_map(|message| match message {
            Value::Array(all) => all,
            one => vec![one],
        })
        .collect();
    let by_id =
        |id: Value| messages.iter().find(|message| message["id"] == id).unwrap_or_else(|| panic!("{id}: {messages:?}"));
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert_eq!(by_id(json!(1))["result"]["content"][0]["text"], "1");
    assert_eq!(by_id(json!("1"))["result"]["content"][0]["text"], "2");
    assert_eq!(by_id(json!(3))["result"], json!({}));
    // Only notifications and responses.
    let quiet = r#"[{"jsonrpc":"2.0","method":"notifications/whatever"},{"jsonrpc":"2.0","method":"notifications/x"}]"#;
    assert_eq!(client.post(quiet).await.status, 202);
    // What no batch may be.
    let ping = Legacy::body(1, "ping", "");
    for bad in [
        "[]".to_owned(),
        format!(r#"[{ping},{{"jsonrpc":"2.0","id":4}}]"#),
        format!("[{ping},{ping}]"),
        format!("[{HELLO}]"),
        format!(r#"[{ping},{{"jsonrpc":"2.0","id":9,"result":{{}}}}]"#),
        format!("[{}]", (0..51).map(|id| Legacy::body(id, "ping", "")).collect::<Vec<_>>().join(",")),
    ] {
        client.post(&bad).await.refused(400, -32600).await;
    }
    let whole = format!("[{}]", (0..50).map(|id| Legacy::body(id, "ping", "")).collect::<Vec<_>>().join(","));
    assert_eq!(client.post(&whole).await.status, 200);
}

#[tokio::test]
async fn pages_and_names_of_other_sites_are_refused() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["http"] = json!({ "allowedOrigins": ["https://app.example"], "allowedHosts": ["mcp.example"] });
    let gateway = Gateway::start(settings).await;
    let status = async |method: &str, headers: &[(&str, &str)]| {
        gateway.send(&request(method, "/mcp", &[&JSON[..], headers].concat(), b"{}")).await.status
    };
    let own = format!("http://{}", gateway.address);
    for method in ["POST", "GET", "DELETE"] {
        for origin in ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"] {
            assert_eq!(status(method, &[("origin", origin)]).await, 403, "{method} {origin}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "mcp.example.evil.example"] {
            assert_eq!(status(method, &[("host", host)]).await, 403, "{method} {host}");
        }
    }
    for headers in [
        [("origin", "https://app.example")],
        [("origin", &*own)],
        [("host", "mcp.example")],
        [("host", &*gateway.address)],
        [("host", "localhost")],
    ] {
        assert_eq!(status("POST", &headers).await, 400, "it gets to the body: {headers:?}");
    }
    let preflight = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "mcp-method, mcp-param-region, authorization"),
    ];
    let allowed = gateway.send(&request("OPTIONS", "/mcp", &preflight, b"")).await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (204, Some("https://app.example")));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("mcp-param-region"));
    let foreign = [("origin", "https://evil.example"), preflight[1]];
    assert_eq!(gateway.send(&request("OPTIONS", "/mcp", &foreign, b"")).await.status, 403);
}

#[tokio::test]
async fn silent_streams_are_kept_open_with_comments() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["http"] = json!({ "keepAlive": "1s" });
    let gateway = Gateway::start(settings).await;
    let legacy = Legacy::open(&gateway).await;
    let streams = [
        Modern::of(&gateway).send(1, "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#).await,
        legacy.stream(None).await,
        Modern::of(&gateway).begin_call(2, "echo", "{}").await.answer().await,
        legacy.begin_call(2, "echo", "{}").await.answer().await,
    ];
    for mut stream in streams {
        assert!(stream.is_stream());
        assert_eq!(
            (stream.header("cache-control"), stream.header("x-accel-buffering")),
            (Some("no-cache"), Some("no"))
        );
        let mut comments = 0;
        while comments < 2 {
            comments += usize::from(stream.block().await.expect("a comment, not the end").starts_with(':'));
        }
    }
}

#[tokio::test]
async fn one_connection_serves_clients_of_both_eras_in_turn() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let legacy = Legacy::open(&gateway).await;
    let mut connection = tokio::net::TcpStream::connect(&gateway.address).await.unwrap();
    for _ in 0..3 {
        for bytes in [Modern::of(&gateway).bytes(1, "tools/list", ""), legacy.bytes(&Legacy::body(1, "tools/list", ""))]
        {
            connection.write_all(&bytes).await.unwrap();
            let mut answer = String::new();
            let whole = async {
                let mut buffer = [0; 4096];
                while !answer.ends_with("}}") {
                    let length = connection.read(&mut buffer).await.unwrap();
                    assert!(length > 0, "{answer}");
                    answer.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
                }
            };
            crate::kit::soon("an answer", whole).await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""name":"echo""#), "{answer}");
        }
    }
}

#[tokio::test]
async fn what_is_announced_is_what_a_client_finds() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = Gateway::over(&upstream).await;
    let found = Modern::of(&gateway).send(1, "server/discover", "").await.response().await;
    let result = &found["result"];
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    for capability in ["tools", "prompts", "resources", "completions", "logging"] {
        assert!(result["capabilities"][capability].is_object(), "{capability}: {result}");
    }
    for (method, members) in [("ping", ""), ("logging/setLevel", r#""level":"info""#)] {
        let legacy = Legacy::open(&gateway).await;
        assert_eq!(legacy.send(1, method, members).await.response().await["result"], json!({}));
    }
    let bad = Legacy::open(&gateway).await.send(1, "logging/setLevel", r#""level":"loud""#).await;
    bad.refused(200, -32602).await;
    drop(Client::connect(&gateway.address).await);
}
