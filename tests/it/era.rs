//! Which era a request belongs to, and the ladder of checks that a modern one climbs. The rows P1…P18 are in docs/eras.md.

use serde_json::Value;

use crate::kit::{Answer, Era, Gateway, Legacy, MODERN, Modern, Upstream, Wire, request};

const JSON: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
const VERSION: &str = "mcp-protocol-version";

async fn gateway() -> (Upstream, Gateway) {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    (upstream, gateway)
}

async fn post(gateway: &Gateway, headers: &[(&str, &str)], body: &str) -> Answer {
    gateway.send(&request("POST", "/mcp", &[&JSON[..], headers].concat(), body.as_bytes())).await
}

/// A request with this claim, or without any.
fn body(method: &str, claim: Option<&str>) -> String {
    let meta = claim.map_or_else(String::new, |claim| {
        format!(
            r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{claim}","io.modelcontextprotocol/clientCapabilities":{{}}}}"#
        )
    });
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{meta}}}}}"#)
}

#[tokio::test]
async fn batches_are_refused_outside_the_revision_that_has_them() {
    let (_upstream, gateway) = gateway().await;
    let ping = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#;
    // P2.
    post(&gateway, &[], &format!("[{}]", body("tools/list", Some(MODERN)))).await.refused(400, -32600).await;
    post(&gateway, &[], "[]").await.refused(400, -32600).await;
    // P4.
    post(&gateway, &[(VERSION, MODERN)], ping).await.refused(400, -32600).await;
    assert_eq!(post(&gateway, &[], ping).await.status, 400);
    Legacy::open(&gateway).await.post(ping).await.refused(400, -32600).await;
}

#[tokio::test]
async fn responses_belong_to_legacy_sessions() {
    let (_upstream, gateway) = gateway().await;
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    // P5, P6.
    assert_eq!(post(&gateway, &[], response).await.status, 400);
    assert_eq!(post(&gateway, &[("mcp-session-id", "unknown")], response).await.status, 404);
    assert_eq!(Legacy::open(&gateway).await.post(response).await.status, 202);
    post(&gateway, &[(VERSION, MODERN)], response).await.refused(400, -32600).await;
}

#[tokio::test]
async fn a_handshake_under_the_modern_header_is_refused() {
    let (_upstream, gateway) = gateway().await;
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"] {
        // P7.
        let headers = [(VERSION, MODERN), ("mcp-method", method)];
        let error = post(&gateway, &headers, &body(method, Some(MODERN))).await.refused(404, -32601).await;
        assert_eq!(error["id"], 7);
    }
    // P9.
    let headers = [(VERSION, MODERN), ("mcp-method", "initialize")];
    assert_eq!(post(&gateway, &headers, &body("initialize", None)).await.status, 400);
}

#[tokio::test]
async fn a_handshake_is_answered_with_the_same_revision_or_the_newest_legacy_one() {
    let (_upstream, gateway) = gateway().await;
    // P8.
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        (MODERN, "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
        ("v999.0.0", "2025-11-25"),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{asked}","capabilities":{{}},"clientInfo":{{"name":"it","version":"1"}}}}}}"#
        );
        let answer = post(&gateway, &[("mcp-session-id", "is ignored")], &body).await;
        assert!(answer.header("mcp-session-id").is_some_and(|id| id.bytes().all(|byte| (0x21..=0x7e).contains(&byte))));
        assert_eq!(answer.response().await["result"]["protocolVersion"], answered);
    }
}

#[tokio::test]
async fn header_and_claim_must_name_the_same_revision_that_is_served() {
    let (_upstream, gateway) = gateway().await;
    let list = |claim| body("tools/list", claim);
    let method = ("mcp-method", "tools/list");
    // P10, P11.
    post(&gateway, &[method], &list(Some(MODERN))).await.refused(400, -32020).await;
    post(&gateway, &[method, (VERSION, "2025-11-25")], &list(Some(MODERN))).await.refused(400, -32020).await;
    post(&gateway, &[method, (VERSION, MODERN)], &list(Some("v999.0.0"))).await.refused(400, -32020).await;
    post(&gateway, &[method, (VERSION, MODERN), (VERSION, MODERN)], &list(Some(MODERN)))
        .await
        .refused(400, -32020)
        .await;
    // P12.
    for version in ["v999.0.0", "2025-11-25"] {
        let error =
            post(&gateway, &[method, (VERSION, version)], &list(Some(version))).await.refused(400, -32022).await;
        let expected: Value = serde_json::json!({ "supported": [MODERN], "requested": version });
        assert_eq!((&error["error"]["data"], &error["id"]), (&expected, &7.into()));
    }
    // P13.
    assert_eq!(post(&gateway, &[method, (VERSION, MODERN)], &list(Some(MODERN))).await.status, 200);
    assert_eq!(post(&gateway, &[method, (VERSION, " 2026-07-28 ")], &list(Some(MODERN))).await.status, 200);
    // P14.
    let error = post(&gateway, &[method, (VERSION, MODERN)], &list(None)).await.refused(400, -32602).await;
    assert_eq!(error["id"], 7);
    // P16.
    assert_eq!(post(&gateway, &[method, (VERSION, "2025-01-01")], &list(None)).await.status, 400);
    assert_eq!(post(&gateway, &[method, (VERSION, "garbage")], &list(None)).await.status, 400);
}

#[tokio::test]
async fn requests_without_a_claim_need_a_session() {
    let (_upstream, gateway) = gateway().await;
    // P15 with S2 and S3.
    assert_eq!(post(&gateway, &[], &body("tools/list", None)).await.status, 400);
    assert_eq!(post(&gateway, &[("mcp-session-id", "unknown")], &body("tools/list", None)).await.status, 404);
    assert_eq!(Legacy::open(&gateway).await.send(1, "tools/list", "").await.status, 200);
}

#[tokio::test]
async fn notifications_are_accepted_by_era_and_posted_cancellations_cancel_nobody() {
    let (upstream, gateway) = gateway().await;
    let call = Modern::of(&gateway).begin_call(5, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    // P17.
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#;
    assert_eq!(post(&gateway, &[(VERSION, MODERN)], cancel).await.status, 202);
    let other = r#"{"jsonrpc":"2.0","method":"notifications/whatever"}"#;
    post(&gateway, &[(VERSION, "2099-01-01")], other).await.refused(400, -32022).await;
    // P18.
    assert_eq!(post(&gateway, &[], other).await.status, 400);
    let legacy = Legacy::open(&gateway).await;
    assert_eq!(legacy.post(other).await.status, 202);
    assert_eq!(legacy.post(cancel).await.status, 202);
    arrived.text_result("not cancelled").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "not cancelled");
}

#[tokio::test]
async fn the_ladder_stops_at_the_first_fault() {
    let (upstream, gateway) = gateway().await;
    let call = Modern::of(&gateway).body(7, "tools/call", r#""name":"echo","arguments":{}"#);
    let version = (VERSION, MODERN);
    let (method, name) = (("mcp-method", "tools/call"), ("mcp-name", "echo"));
    // 5, 6: each header missing, different, twice.
    for headers in [
        vec![version, name],
        vec![version, ("mcp-method", "tools/list"), name],
        vec![version, ("mcp-method", "TOOLS/CALL"), name],
        vec![version, method, method, name],
        vec![version, method],
        vec![version, method, ("mcp-name", "other")],
        vec![version, method, ("mcp-name", "=?base64?ZWNobw?=")],
        vec![version, method, ("mcp-name", "=?base64?b3RoZXI=?=")],
        vec![version, method, name, name],
    ] {
        let error = post(&gateway, &headers, &call).await.refused(400, -32020).await;
        assert_eq!(error["id"], 7, "{headers:?}");
    }
    // 2: each half of the envelope missing.
    let without_capabilities = call.replace(r#""io.modelcontextprotocol/clientCapabilities":{},"#, "");
    post(&gateway, &[version, method, name], &without_capabilities).await.refused(400, -32602).await;
    let wrong_capabilities = call.replace(r#"clientCapabilities":{}"#, r#"clientCapabilities":[]"#);
    post(&gateway, &[version, method, name], &wrong_capabilities).await.refused(400, -32602).await;
    // 7.
    let unknown = Modern::of(&gateway).begin(7, "no/such", "").await;
    upstream.take("no/such").await.error(-32601, "Method not found").await;
    assert_eq!(unknown.answer().await.refused(404, -32601).await["id"], 7);
    // 9.
    Modern::of(&gateway).call(7, "nobody", "{}").await.refused(200, -32602).await;
    let missing = Modern::of(&gateway).send(7, "resources/read", r#""uri":"it://none""#).await;
    assert_eq!(missing.status, 200);
    assert_eq!(upstream.count("tools/call"), 0);
}

#[tokio::test]
async fn a_name_may_come_encoded_and_a_request_without_client_info_is_served() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let body = Modern::of(&gateway).body(1, "tools/call", r#""name":"echo","arguments":{}"#);
    let body = body.replace(r#","io.modelcontextprotocol/clientInfo":{"name":"it","version":"1"}"#, "");
    let headers = [(VERSION, MODERN), ("Mcp-Method", "tools/call"), ("MCP-NAME", "=?base64?ZWNobw==?=")];
    let sending = post(&gateway, &headers, &body);
    let answering = async { upstream.take("tools/call").await.text_result("served").await };
    let (answer, ()) = tokio::join!(sending, answering);
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn get_and_delete_exist_for_legacy_sessions_only() {
    let (_upstream, gateway) = gateway().await;
    let send =
        async |method: &str, headers: &[(&str, &str)]| gateway.send(&request(method, "/mcp", headers, b"")).await;
    let stream = ("accept", "text/event-stream");
    for method in ["GET", "DELETE"] {
        let modern = send(method, &[stream, (VERSION, MODERN)]).await;
        assert_eq!((modern.status, modern.header("allow")), (405, Some("POST")));
        assert_eq!(send(method, &[stream, ("mcp-session-id", "unknown")]).await.status, 404);
    }
    assert_eq!(send("GET", &[stream]).await.status, 405);
    assert_eq!(send("DELETE", &[]).await.status, 400);
    let legacy = Legacy::open(&gateway).await;
    let open = legacy.stream(None).await;
    assert_eq!((open.status, open.is_stream()), (200, true));
    assert!((200..300).contains(&legacy.delete().await.status));
    assert_eq!(legacy.delete().await.status, 404);
    assert_eq!(legacy.stream(None).await.status, 404);
    assert_eq!(legacy.send(1, "tools/list", "").await.status, 404);
}

#[tokio::test]
async fn a_modern_request_ignores_what_belongs_to_sessions() {
    let (_upstream, gateway) = gateway().await;
    let headers = [(VERSION, MODERN), ("mcp-method", "tools/list"), ("mcp-session-id", "x"), ("last-event-id", "1/1")];
    let answer = post(&gateway, &headers, &body("tools/list", Some(MODERN))).await;
    assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
}
