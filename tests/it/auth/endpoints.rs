//! A way of authentication that is open at one endpoint and shut at another.

use serde_json::{Value, json};

use super::{
    ALICE,
    issuer::{Issuer, Signer},
};
use crate::kit::{Client, Era, Gateway, Legacy, Modern, NEWEST_LEGACY, Upstream, Wire, config, request};

const PATHS: [&str; 3] = ["/people/mcp", "/ci/mcp", "/open/mcp"];

/// Whom each endpoint lets in: a token of the issuer for that very endpoint, an API key, and nobody in particular.
async fn statuses(gateway: &Gateway, path: &str, token: &str) -> [u16; 3] {
    let send = async |token: Option<&str>| {
        let client = token.into_iter().fold(Modern::of(gateway).at(path), |client, token| client.bearing(token));
        client.send(1, "tools/list", "").await.status
    };
    [send(Some(token)).await, send(Some(ALICE)).await, send(None).await]
}

#[tokio::test]
async fn what_opens_one_endpoint_is_nothing_at_another() {
    let signer = Signer::new("k1");
    let issuer = Issuer::start(&signer).await;
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["auth"] = json!({
        "issuers": [{ "issuer": issuer.url }],
        "apiKeys": [{ "id": "alice", "token": ALICE }],
    });
    settings["endpoints"] = json!({
        "/people/mcp": { "servers": ["*"], "auth": ["issuers"] },
        "/ci/mcp": { "servers": ["*"], "auth": ["apiKeys"] },
        "/open/mcp": { "servers": ["*"], "auth": ["anonymous"] },
    });
    let gateway = Gateway::start(settings).await;
    let token = |path: &str| signer.sign(&issuer.but("aud", json!(format!("http://127.0.0.1{path}"))));
    let expected = [[200, 401, 401], [401, 200, 401], [401, 401, 200]];
    for (path, expected) in PATHS.into_iter().zip(expected) {
        assert_eq!(statuses(&gateway, path, &token(path)).await, expected, "{path}: {}", gateway.log());
    }
    // A token for one endpoint is none for another that takes the same issuer's, and a session of one is none of another.
    assert_eq!(statuses(&gateway, "/people/mcp", &token("/ci/mcp")).await[0], 401);
    let open = request("POST", "/ci/mcp", &headers(None), initialize().as_bytes());
    assert_eq!(Client::exchange(&gateway.address, &open).await.status, 401);
    let bearer = format!("Bearer {ALICE}");
    let open = request("POST", "/ci/mcp", &headers(Some(&bearer)), initialize().as_bytes());
    let opened = Client::exchange(&gateway.address, &open).await;
    assert_eq!(opened.status, 200);
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    for (path, bearer, status) in
        [("/ci/mcp", Some(&*bearer), 200), ("/people/mcp", Some(&*bearer), 401), ("/open/mcp", None, 404)]
    {
        let mut headers = headers(bearer);
        headers.extend([("mcp-session-id", &*session), ("mcp-protocol-version", NEWEST_LEGACY)]);
        let list = Legacy::body(2, "tools/list", "");
        let listed = Client::exchange(&gateway.address, &request("POST", path, &headers, list.as_bytes())).await;
        assert_eq!(listed.status, status, "{path}");
    }
    // Clients are sent to an issuer where its tokens are taken, and nowhere else.
    for (path, status) in PATHS.into_iter().zip([200, 404, 404]) {
        let described = request("GET", &format!("/.well-known/oauth-protected-resource{path}"), &[], b"");
        let described = Client::exchange(&gateway.address, &described).await;
        assert_eq!(described.status, status, "{path}");
        if status == 200 {
            let document: Value = serde_json::from_str(&described.text().await).unwrap();
            assert_eq!(document["authorization_servers"], json!([issuer.url]));
        }
        let refused = Modern::of(&gateway).at(path).bearing("tok-of-nobody-0123456789").send(1, "tools/list", "").await;
        let challenge = refused.header("www-authenticate").unwrap();
        assert_eq!(challenge.contains("resource_metadata="), status == 200, "{path}: {challenge}");
    }
}

fn initialize() -> String {
    let client = r#""capabilities":{},"clientInfo":{"name":"it","version":"1"}"#;
    Legacy::body(1, "initialize", &format!(r#""protocolVersion":"{NEWEST_LEGACY}",{client}"#))
}

fn headers(bearer: Option<&str>) -> Vec<(&'static str, &str)> {
    let mut headers = vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    headers.extend(bearer.map(|bearer| ("authorization", bearer)));
    headers
}
