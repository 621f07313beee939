//! Where a request came from, through proxies that are trusted and others.

use serde_json::{Value, json};

use crate::kit::{Answer, Client, Era, Gateway, MODERN, Modern, Upstream, Wire, config, request, until};

/// A gateway with these settings of `http` and these limits.
async fn under(http: Value, limits: Value) -> (Upstream, Gateway) {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["http"] = http;
    settings["limits"] = limits;
    let gateway = Gateway::start(settings).await;
    (upstream, gateway)
}

/// A list, asked for with one more header.
async fn list_with(gateway: &Gateway, name: &str, value: &str) -> Answer {
    let body = Modern::of(gateway).body(1, "tools/list", "");
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
        (name, value),
    ];
    Client::exchange(&gateway.address, &request("POST", "/mcp", &headers, body.as_bytes())).await
}

/// Waits for the line of a call in the log that names an address.
async fn logs(gateway: &Gateway, address: &str) {
    let wanted = format!(r#""address":"{address}""#);
    let is_there = || gateway.log().lines().any(|line| line.contains("myelin::access") && line.contains(&wanted));
    until(&format!("a call of {address} is in the log"), is_there).await;
}

#[tokio::test]
async fn the_log_names_the_client_behind_a_trusted_proxy() {
    let (_upstream, gateway) = under(json!({ "trustedProxies": ["127.0.0.0/8"] }), json!([])).await;
    assert_eq!(list_with(&gateway, "x-forwarded-for", "1.1.1.1, 203.0.113.9").await.status, 200);
    logs(&gateway, "203.0.113.9").await;
    assert!(!gateway.log().contains("1.1.1.1"), "what the client made up is nowhere");
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let (_upstream, gateway) = under(json!({}), json!([])).await;
    assert_eq!(list_with(&gateway, "x-forwarded-for", "203.0.113.9").await.status, 200);
    logs(&gateway, "127.0.0.1").await;
}

#[tokio::test]
async fn an_address_is_counted_before_a_token_is_looked_at() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["auth"] = json!({ "apiKeys": [{ "id": "alice", "token": "tok-alice-0123456789" }] });
    settings["http"] = json!({ "trustedProxies": ["127.0.0.1"] });
    settings["limits"] = json!([{ "per": "address", "rate": "1/h", "burst": 3 }]);
    let gateway = Gateway::start(settings).await;
    for _ in 0..3 {
        assert_eq!(list_with(&gateway, "authorization", "Bearer tok-guess-0123456789").await.status, 401);
    }
    let refused = list_with(&gateway, "authorization", "Bearer tok-alice-0123456789").await;
    assert_eq!(refused.header("ratelimit-policy"), Some(r#""address-1";q=1;w=3600"#));
    assert!(refused.header("retry-after").is_some());
    let refused = refused.refused(429, 1004).await;
    assert_eq!(refused["error"]["data"]["per"], "address");
    // Somebody else behind the same proxy has a count of their own; without a token they are merely refused.
    assert_eq!(list_with(&gateway, "x-forwarded-for", "203.0.113.9").await.status, 401);
    gateway.metric("myelin_refused_by_limit_total{limit=\"per_address\"}", "1").await;
}
