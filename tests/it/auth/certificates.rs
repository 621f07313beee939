//! Client certificates: of an authority that the tests play.

use std::fs;

use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::ALICE;
use crate::kit::{
    Era, Gateway, MODERN, Modern, Upstream, Wire, config, request, soon,
    tls::{Ca, Files, Shown, connect, send},
};

async fn over(files: &Files, auth: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["tls"] = files.tls(auth);
    settings["auth"] = json!({
        "certificates": [{ "from": "san-uri", "match": "spiffe://prod/agents/*", "groups": ["agents"] }],
        "apiKeys": [{ "id": "alice", "token": ALICE }],
    });
    (upstream, Gateway::start(settings).await)
}

/// The head and the body of the answer to `tools/list`, or that the connection was refused.
async fn ask(stream: &mut TlsStream<TcpStream>, gateway: &Gateway, token: Option<&str>) -> std::io::Result<String> {
    let body = Modern::of(gateway).body(1, "tools/list", "");
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![
        ("host", "localhost"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
    ];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    send(stream, &request("POST", "/mcp", &headers, body.as_bytes())).await
}

/// What becomes of a client that shows this.
async fn fate(gateway: &Gateway, files: &Files, shown: Option<&Shown>, token: Option<&str>) -> Result<u16, ()> {
    let mut stream = connect(gateway, files, shown).await.map_err(|_| ())?;
    let answer = ask(&mut stream, gateway, token).await.map_err(|_| ())?;
    Ok(answer.split(' ').nth(1).unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_certificate_lets_in_whom_the_rules_know_and_a_token_decides_where_there_is_one() {
    let (ca, other) = (Ca::new("clients"), Ca::new("others"));
    let files = Files::new(&ca);
    fs::write(files.path("crl.pem"), ca.revoke(&[7])).unwrap();
    let (_upstream, gateway) = over(&files, "optional").await;
    let agent = ca.issue(1, "agents/one", 2099);
    assert_eq!(fate(&gateway, &files, Some(&agent), None).await, Ok(200), "{}", gateway.log());
    assert_eq!(fate(&gateway, &files, Some(&agent), Some(ALICE)).await, Ok(200));
    assert_eq!(fate(&gateway, &files, Some(&agent), Some("tok-nobody-0123456789")).await, Ok(401), "the token decides");
    let stranger = ca.issue(2, "humans/one", 2099);
    assert_eq!(fate(&gateway, &files, Some(&stranger), None).await, Ok(401), "no rule knows it");
    assert_eq!(fate(&gateway, &files, Some(&stranger), Some(ALICE)).await, Ok(200));
    assert_eq!(fate(&gateway, &files, None, None).await, Ok(401));
    assert_eq!(fate(&gateway, &files, None, Some(ALICE)).await, Ok(200));
    let bad = [
        ("of another authority", other.issue(1, "agents/one", 2099)),
        ("expired", ca.issue(3, "agents/one", 2021)),
        ("revoked", ca.issue(7, "agents/one", 2099)),
    ];
    for (what, shown) in &bad {
        assert_eq!(fate(&gateway, &files, Some(shown), Some(ALICE)).await, Err(()), "{what}");
    }
    assert!(gateway.log().contains("x509|spiffe://prod/agents/one"), "the log names the principal");
}

#[tokio::test]
async fn where_one_is_required_there_is_no_connection_without() {
    let ca = Ca::new("clients");
    let files = Files::new(&ca);
    let (_upstream, gateway) = over(&files, "required").await;
    assert_eq!(fate(&gateway, &files, None, Some(ALICE)).await, Err(()));
    assert_eq!(fate(&gateway, &files, Some(&ca.issue(1, "agents/one", 2099)), None).await, Ok(200));
}

#[tokio::test]
async fn a_certificate_that_is_revoked_is_nobody_s_on_open_connections_as_well() {
    let ca = Ca::new("clients");
    let files = Files::new(&ca);
    let (_upstream, gateway) = over(&files, "optional").await;
    let agent = ca.issue(7, "agents/one", 2099);
    let mut open = connect(&gateway, &files, Some(&agent)).await.unwrap();
    assert!(ask(&mut open, &gateway, None).await.unwrap().starts_with("HTTP/1.1 200"));
    files.replace("crl.pem", &ca.revoke(&[7]));
    let refused = async {
        while fate(&gateway, &files, Some(&agent), None).await == Ok(200) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    soon("the list is read", refused).await;
    let answer = ask(&mut open, &gateway, None).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    // Another authority takes the place of the first.
    let next = Ca::new("next");
    files.replace("ca.pem", &next.pem);
    files.replace("crl.pem", &next.revoke(&[]));
    let known = async {
        while fate(&gateway, &files, Some(&next.issue(1, "agents/two", 2099)), None).await != Ok(200) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    soon("the authority is read", known).await;
}
