//! Requests that are none: malformed, oversized, too deep, ambiguous, unfinished.

use serde_json::json;

use crate::kit::{Client, Era, Gateway, Legacy, MODERN, Modern, Upstream, Wire, config, request};

const JSON: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];

async fn gateway() -> (Upstream, Gateway) {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    (upstream, gateway)
}

async fn post(gateway: &Gateway, body: impl AsRef<[u8]>) -> crate::kit::Answer {
    gateway.send(&request("POST", "/mcp", &JSON, body.as_ref())).await
}

/// Everything still works after whatever was sent.
async fn still_serves(gateway: &Gateway, upstream: &Upstream) {
    let call = Modern::of(gateway).begin_call(1, "echo", "{}").await;
    upstream.take("tools/call").await.text_result("fine").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "fine");
}

#[tokio::test]
async fn what_is_not_json_is_a_parse_error() {
    let (upstream, gateway) = gateway().await;
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 9] = [
        b"{",
        b"nope",
        b" ",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}x",
        b"{\"jsonrpc\":\"2.0\",\"id\":01,\"method\":\"ping\"}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\xff\xfeng\"}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\nb\"}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let error = post(&gateway, body).await.refused(400, -32700).await;
        assert!(error["id"].is_null(), "{error}");
        let headers = [JSON[0], JSON[1], ("mcp-protocol-version", MODERN), ("mcp-method", "ping")];
        let answer = gateway.send(&request("POST", "/mcp", &headers, body)).await;
        let error = answer.refused(400, -32700).await;
        assert!(error.get("id").is_none(), "a modern client is told no id where none was read: {error}");
    }
    still_serves(&gateway, &upstream).await;
}

#[tokio::test]
async fn json_that_is_no_message_is_an_invalid_request() {
    let (upstream, gateway) = gateway().await;
    for body in [
        "1",
        "null",
        "\"x\"",
        "{}",
        "[]",
        "[1]",
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}"#,
    ] {
        post(&gateway, body).await.refused(400, -32600).await;
    }
    still_serves(&gateway, &upstream).await;
}

#[tokio::test]
async fn a_member_that_occurs_twice_is_refused_wherever_the_gateway_reads() {
    let (upstream, gateway) = gateway().await;
    let call = Modern::of(&gateway);
    let whole = call.body(1, "tools/call", r#""name":"echo","arguments":{}"#);
    let doubled = [
        whole.replacen("{", r#"{"method":"tools/list","#, 1),
        whole.replacen("{", r#"{"id":2,"#, 1),
        whole.replacen(r#""name":"echo""#, r#""name":"other","name":"echo""#, 1),
        whole.replacen(r#""name":"echo""#, r#""n\u0061me":"other","name":"echo""#, 1),
        whole.replacen(r#""_meta":{"#, r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25","#, 1),
        whole.replacen(r#""_meta":{"#, r#""_meta":{},"_meta":{"#, 1),
    ];
    let headers =
        [JSON[0], JSON[1], ("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", "echo")];
    for body in doubled {
        let answer = gateway.send(&request("POST", "/mcp", &headers, body.as_bytes())).await;
        assert_eq!(answer.status, 400, "{body}");
        let error = answer.response().await;
        assert!([-32600, -32602, -32700].contains(&error["error"]["code"].as_i64().unwrap()), "{error}");
    }
    assert_eq!(upstream.count("tools/call"), 0);
    still_serves(&gateway, &upstream).await;
}

#[tokio::test]
async fn a_body_at_the_limit_passes_and_one_byte_more_is_refused() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["http"]["maxBody"] = json!(4096);
    let gateway = Gateway::start(settings).await;
    let client = Modern::of(&gateway);
    let empty = client.body(1, "tools/call", r#""name":"echo","arguments":{"pad":""}"#).len();
    let padded = |length: usize| format!(r#"{{"pad":"{}"}}"#, "x".repeat(length - empty));
    let call = client.begin_call(1, "echo", &padded(4096)).await;
    upstream.take("tools/call").await.text_result("whole").await;
    assert_eq!(call.answer().await.status, 200);
    assert_eq!(client.call(1, "echo", &padded(4097)).await.status, 413);
    // The same without saying the length beforehand.
    let body = client.body(1, "tools/call", &format!(r#""name":"echo","arguments":{}"#, padded(4097)));
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let headers = [JSON[0], JSON[1], ("transfer-encoding", "chunked")];
    let head = request("POST", "/mcp", &headers, b"");
    assert_eq!(gateway.send(&[&head[..], chunk.as_bytes()].concat()).await.status, 413);
    // One that only claims to be large is refused before it is sent.
    let claims = request("POST", "/mcp", &[JSON[0], JSON[1], ("content-length", "9999999999")], b"");
    assert_eq!(gateway.send(&claims).await.status, 413);
    still_serves(&gateway, &upstream).await;
}

#[tokio::test]
async fn nesting_at_the_limit_passes_and_one_level_more_is_refused() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["http"]["maxDepth"] = json!(16);
    let gateway = Gateway::start(settings).await;
    let client = Modern::of(&gateway);
    // The message, its params and the arguments are three levels.
    let nested = |levels: usize| format!(r#"{{"deep":{}{}}}"#, "[".repeat(levels - 3), "]".repeat(levels - 3));
    let call = client.begin_call(1, "echo", &nested(16)).await;
    upstream.take("tools/call").await.text_result("whole").await;
    assert_eq!(call.answer().await.status, 200);
    client.call(1, "echo", &nested(17)).await.refused(400, -32700).await;
    still_serves(&gateway, &upstream).await;
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused_and_the_rest_goes_on() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["http"]["maxHeaders"] = json!(8192);
    let gateway = Gateway::start(settings).await;
    let with = |length: usize| {
        let pad = "x".repeat(length);
        request("POST", "/mcp", &[JSON[0], JSON[1], ("x-pad", &pad)], b"{}")
    };
    assert_eq!(gateway.send(&with(7000)).await.status, 400);
    assert_eq!(gateway.send(&with(9000)).await.status, 431);
    still_serves(&gateway, &upstream).await;
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_is_shown_the_door() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["http"] = json!({ "headerTimeout": "300ms", "bodyTimeout": "300ms" });
    let gateway = Gateway::start(settings).await;
    let mut head = Client::connect(&gateway.address).await;
    head.send(b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n").await;
    let mut body = Client::connect(&gateway.address).await;
    let whole = request("POST", "/mcp", &JSON, b"{\"jsonrpc\":\"2.0\"}");
    body.send(&whole[..whole.len() - 3]).await;
    assert!(head.is_hung_up().await);
    assert_eq!(body.answer().await.status, 408);
    still_serves(&gateway, &upstream).await;
}

#[tokio::test]
async fn forms_of_content_that_are_not_spoken_here_are_refused() {
    let (upstream, gateway) = gateway().await;
    let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let status = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        gateway.send(&request(method, path, headers, ping)).await.status
    };
    assert_eq!(status("POST", "/mcp", &[JSON[1]]).await, 415);
    assert_eq!(status("POST", "/mcp", &[("content-type", "text/plain"), JSON[1]]).await, 415);
    assert_eq!(status("POST", "/mcp", &[JSON[0], JSON[1], ("content-encoding", "gzip")]).await, 415);
    assert_eq!(status("POST", "/mcp", &[JSON[0], ("accept", "text/html")]).await, 406);
    assert_eq!(status("POST", "/mcp/", &JSON).await, 404);
    assert_eq!(status("POST", "/", &JSON).await, 404);
    assert_eq!(status("PUT", "/mcp", &JSON).await, 405);
    // Lenient where the SDKs are not: no `Accept` accepts everything, a charset changes nothing.
    let lenient = [("content-type", "application/json; charset=utf-8")];
    assert_eq!(status("POST", "/mcp", &lenient).await, 400);
    still_serves(&gateway, &upstream).await;
}

#[tokio::test]
async fn bytes_that_are_no_http_end_their_connection_only() {
    let (upstream, gateway) = gateway().await;
    for garbage in [&b"\x16\x03\x01\x00garbage\r\n\r\n"[..], b"GET\r\n\r\n", b"POST /mcp HTTP/9.9\r\n\r\n", &[0; 4096]]
    {
        let mut client = Client::connect(&gateway.address).await;
        client.send(garbage).await;
        drop(client);
    }
    let smuggled = request("POST", "/mcp", &[JSON[0], JSON[1], ("content-length", "5"), ("content-length", "6")], b"");
    let mut client = Client::connect(&gateway.address).await;
    client.send(&smuggled).await;
    assert_eq!(client.answer().await.status, 400);
    still_serves(&gateway, &upstream).await;
}

#[tokio::test]
async fn arguments_may_repeat_names_that_the_gateway_does_not_read() {
    let (upstream, gateway) = gateway().await;
    let legacy = Legacy::open(&gateway).await;
    let call = legacy.begin_call(1, "echo", r#"{"a":1,"a":2}"#).await;
    let mut arrived = upstream.take("tools/call").await;
    assert_eq!(crate::kit::raw_member(&arrived.text, &["params", "arguments"]), r#"{"a":1,"a":2}"#);
    arrived.text_result("as it came").await;
    assert_eq!(call.answer().await.status, 200);
}
