//! API keys, and JWTs of an issuer that the tests play.

use std::sync::atomic::Ordering;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

use super::{
    ALICE, BOB, RESOURCE, base64, issued,
    issuer::{Issuer, Signer},
    join_all, keys, list, over, with_token,
};
use crate::kit::{Client, Legacy, config, request};

#[tokio::test]
async fn a_key_lets_its_principal_in_and_nobody_else() {
    let (_upstream, gateway) = over(keys()).await;
    assert_eq!(with_token(&gateway, ALICE).await.status, 200);
    assert_eq!(with_token(&gateway, ALICE).await.status, 200, "also when it is remembered");
    let wrong = with_token(&gateway, "tok-alice-0123456780").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.header("www-authenticate").unwrap().starts_with("Bearer error=\"invalid_token\""));
    let none = list(&gateway, &[], "/mcp").await;
    assert_eq!((none.status, none.header("www-authenticate")), (401, Some("Bearer realm=\"myelin\"")));
    let log = gateway.log();
    assert!(!log.contains(ALICE) && !log.contains("tok-alice"), "tokens are never written: {log}");
}

#[tokio::test]
async fn credentials_that_could_be_read_in_two_ways_are_malformed() {
    let (_upstream, gateway) = over(keys()).await;
    let bearer = format!("Bearer {ALICE}");
    let two = list(&gateway, &[("authorization", &bearer), ("authorization", &bearer)], "/mcp").await;
    assert_eq!(two.status, 400);
    let path = format!("/mcp?access_token={ALICE}");
    assert_eq!(list(&gateway, &[], &path).await.status, 400, "a token in the address is in every log on the way");
    assert_eq!(list(&gateway, &[("authorization", "Basic YWxpY2U6eA==")], "/mcp").await.status, 400);
}

#[tokio::test]
async fn a_session_of_another_principal_looks_like_none() {
    let (_upstream, gateway) = over(keys()).await;
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"it","version":"1"}}}"#;
    let send = async |token: &str, session: Option<&str>, body: &str| {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("authorization", bearer.as_str()),
        ];
        headers.extend(session.map(|session| ("mcp-session-id", session)));
        Client::exchange(&gateway.address, &request("POST", "/mcp", &headers, body.as_bytes())).await
    };
    let opened = send(ALICE, None, initialize).await;
    assert_eq!(opened.status, 200);
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
    assert_eq!(send(ALICE, Some(&session), ping).await.status, 200);
    let foreign = send(BOB, Some(&session), ping).await;
    let unknown = send(BOB, Some("made-up"), ping).await;
    assert_eq!((foreign.status, unknown.status), (404, 404));
    assert_eq!(foreign.text().await, unknown.text().await);
    assert_eq!(Legacy::try_open(&gateway).await.status, 401, "a handshake needs a token as well");
}

#[tokio::test]
async fn a_jwt_is_judged_by_all_that_it_says() {
    let signer = Signer::new("k1");
    let issuer = Issuer::start(&signer).await;
    let (_upstream, gateway) = over(issued(&issuer)).await;
    let valid = signer.sign(&issuer.claims());
    assert_eq!(with_token(&gateway, &valid).await.status, 200, "{}", gateway.log());
    let now = get_current_timestamp();
    let stranger = Signer { id: "k1".to_owned(), ..Signer::new("k1") };
    let header = |alg: &str| format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"k1"}}"#);
    let unsigned = format!("{}.{}.", base64(&header("none")), base64(&issuer.claims().to_string()));
    let mut confused = Header::new(Algorithm::HS256);
    confused.kid = Some("k1".to_owned());
    let public = signer.public().to_string();
    let refused = [
        ("expired", signer.sign(&issuer.but("exp", json!(now - 120)))),
        ("not yet valid", signer.sign(&issuer.but("nbf", json!(now + 600)))),
        ("issued in the future", signer.sign(&issuer.but("iat", json!(now + 600)))),
        ("another audience", signer.sign(&issuer.but("aud", json!("https://other.example/mcp")))),
        ("no audience", signer.sign(&issuer.but("aud", Value::Null))),
        ("another issuer", signer.sign(&issuer.but("iss", json!("https://evil.example")))),
        ("nobody's", signer.sign(&issuer.but("sub", Value::Null))),
        ("never ending", signer.sign(&issuer.but("exp", Value::Null))),
        ("of another key", stranger.sign(&issuer.claims())),
        ("of an unknown key", Signer::new("k2").sign(&issuer.claims())),
        ("unsigned", unsigned),
        (
            "signed with the public key",
            encode(&confused, &issuer.claims(), &EncodingKey::from_secret(public.as_bytes())).unwrap(),
        ),
        ("cut off", valid[..valid.len() - 4].to_owned()),
        ("no JWT", "not-a-jwt".to_owned()),
    ];
    let mut bodies = Vec::new();
    for (what, token) in refused {
        let answer = with_token(&gateway, &token).await;
        assert_eq!(answer.status, 401, "{what}");
        let challenge = answer.header("www-authenticate").unwrap().to_owned();
        assert!(
            challenge.contains("error=\"invalid_token\"") && challenge.contains("scope=\"mcp:basic\""),
            "{challenge}"
        );
        bodies.push((challenge, answer.text().await));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "the sender does not hear why: {bodies:?}");
    let lacking = with_token(&gateway, &signer.sign(&issuer.but("scope", json!("other")))).await;
    assert_eq!(lacking.status, 403);
    assert!(lacking.header("www-authenticate").unwrap().contains("error=\"insufficient_scope\""));
}

#[tokio::test]
async fn a_rotated_key_fails_no_request_and_made_up_ones_cost_the_issuer_little() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let issuer = Issuer::start(&old).await;
    let (_upstream, gateway) = over(issued(&issuer)).await;
    assert_eq!(with_token(&gateway, &old.sign(&issuer.claims())).await.status, 200);
    issuer.keys.lock().unwrap().push(new.public());
    assert_eq!(with_token(&gateway, &new.sign(&issuer.claims())).await.status, 200, "fetched when it is first seen");
    assert_eq!(with_token(&gateway, &old.sign(&issuer.but("sub", json!("u2")))).await.status, 200);
    assert_eq!(issuer.fetched.load(Ordering::SeqCst), 2);
    let floods: Vec<String> = (0..20).map(|n| Signer::new(&format!("x{n}")).sign(&issuer.claims())).collect();
    let asked = floods.iter().map(|token| with_token(&gateway, token));
    let statuses: Vec<u16> = join_all(asked).await.into_iter().map(|answer| answer.status).collect();
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    assert!(issuer.fetched.load(Ordering::SeqCst) <= 4, "they share a fetch");
}

#[tokio::test]
async fn the_resource_says_who_gives_tokens_for_it() {
    let signer = Signer::new("k1");
    let issuer = Issuer::start(&signer).await;
    let (_upstream, gateway) = over(issued(&issuer)).await;
    let challenge = list(&gateway, &[], "/mcp").await;
    assert_eq!(challenge.status, 401);
    let expected =
        "Bearer resource_metadata=\"http://127.0.0.1/.well-known/oauth-protected-resource/mcp\", scope=\"mcp:basic\"";
    assert_eq!(challenge.header("www-authenticate"), Some(expected));
    let get = async |path: &str| Client::exchange(&gateway.address, &request("GET", path, &[], b"")).await;
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let answer = get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let document: Value = serde_json::from_str(&answer.text().await).unwrap();
        assert_eq!(document["resource"], RESOURCE);
        assert_eq!(document["authorization_servers"], json!([issuer.url]));
        assert_eq!(document["scopes_supported"], json!(["mcp:basic"]));
    }
    assert_eq!(get("/.well-known/oauth-protected-resource/other").await.status, 404);
}

#[tokio::test]
async fn a_reload_takes_a_key_away_at_once() {
    let (upstream, gateway) = over(keys()).await;
    assert_eq!(with_token(&gateway, BOB).await.status, 200);
    let mut settings = config(&[("up", &upstream)]);
    settings["auth"] = json!({ "apiKeys": [{ "id": "alice", "token": ALICE }] });
    gateway.rewrite(settings);
    gateway.signal(rustix::process::Signal::HUP);
    gateway.metric("myelin_config_reloads_total{result=\"ok\"}", "1").await;
    assert_eq!(with_token(&gateway, BOB).await.status, 401);
    assert_eq!(with_token(&gateway, ALICE).await.status, 200);
}
