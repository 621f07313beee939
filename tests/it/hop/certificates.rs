//! A client that shows a certificate is known by it at home, too.

use crate::kit::{
    Era, Gateway, Legacy, Upstream, Wire, request,
    tls::{Ca, Files, Shown, connect, send},
};
use serde_json::json;

use super::settings;

async fn post(gateway: &Gateway, files: &Files, shown: &Shown, session: Option<&str>, body: &str) -> String {
    let mut stream = connect(gateway, files, Some(shown)).await.unwrap();
    let mut headers = vec![
        ("host", "localhost"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    headers.extend(session.map(|session| ("mcp-session-id", session)));
    send(&mut stream, &request("POST", "/mcp", &headers, body.as_bytes())).await.unwrap()
}

#[tokio::test]
async fn a_certificate_goes_along_with_a_request() {
    let ca = Ca::new("clients");
    let files = Files::new(&ca);
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = settings(&[("up", &upstream)]);
    settings["tls"] = files.tls("optional");
    settings["auth"] =
        json!({ "certificates": [{ "from": "san-uri", "match": "spiffe://prod/agents/*", "groups": ["agents"] }] });
    let (home, other) = (Gateway::start(settings.clone()).await, Gateway::start(settings).await);
    let (one, another) = (ca.issue(1, "agents/one", 2099), ca.issue(2, "agents/two", 2099));
    let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"it","version":"1"}}}"#;
    let opened = post(&home, &files, &one, None, initialize).await;
    let session = opened.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session").to_owned();
    let ping = Legacy::body(1, "ping", "");
    let answer = post(&other, &files, &one, Some(&session), &ping).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}\n{}", home.log());
    let foreign = post(&other, &files, &another, Some(&session), &ping).await;
    assert!(foreign.starts_with("HTTP/1.1 404"), "{foreign}");
}
