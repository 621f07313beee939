//! Tokens that callers' own are exchanged for.

use serde_json::{Value, json};

use super::{bearer, over, settings};
use crate::kit::{Asked, Authority, Era, Gateway, Modern, Upstream, Wire, text};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// An authorization server that gives `for-USER-N` for each token of a user.
async fn exchanging() -> Authority {
    let mut count = 0;
    Authority::start(move |asked: &Asked| match asked.path.as_str() {
        "/token" => {
            count += 1;
            let claims: Value =
                jsonwebtoken::dangerous::insecure_decode_claims(asked.field("subject_token").unwrap()).unwrap();
            let token = format!("canary-for-{}-{count}", claims["sub"].as_str().unwrap());
            let kind = "urn:ietf:params:oauth:token-type:access_token";
            (
                200,
                json!({ "access_token": token, "issued_token_type": kind, "token_type": "Bearer", "expires_in": 3600 }),
            )
        }
        _ => (404, json!({})),
    })
    .await
}

fn credential(authority: &Authority) -> Value {
    json!({ "tokenExchange": {
        "tokenUrl": format!("{}/token", authority.url),
        "clientId": "myelin",
        "clientSecret": "canary-secret",
        "audience": "tools",
        "scopes": ["use"],
    } })
}

/// Calls and answers with the token that the server saw.
async fn shown(upstream: &Upstream, gateway: &Gateway, token: &str) -> String {
    let call = Modern::of(gateway).bearing(token).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    let shown = bearer(arrived.header("authorization")).to_owned();
    arrived.text_result("ok").await;
    assert_eq!(text(call.answer().await).await, "ok");
    shown
}

#[tokio::test]
async fn each_token_of_each_caller_has_one_counterpart_and_none_serves_another() {
    let authority = exchanging().await;
    let (upstream, gateway) = over(authority.trusted(), credential(&authority)).await;
    let (alice, later, bob) = (authority.token("alice"), authority.token("alice"), authority.token("bob"));
    let hers = shown(&upstream, &gateway, &alice).await;
    assert_eq!(shown(&upstream, &gateway, &alice).await, hers, "got once");
    let his = shown(&upstream, &gateway, &bob).await;
    let hers_later = shown(&upstream, &gateway, &later).await;
    assert!(hers.contains("alice") && hers_later.contains("alice") && his.contains("bob"), "{hers} {hers_later} {his}");
    assert_ne!(hers, hers_later, "another token may be of other rights");
    let asked = authority.asked("/token");
    assert_eq!(asked.len(), 3);
    let subjects: Vec<_> = asked.iter().map(|asked| asked.field("subject_token").unwrap()).collect();
    assert_eq!(subjects, [&alice, &bob, &later]);
    let first = &asked[0];
    assert_eq!((first.field("grant_type"), first.field("audience")), (Some(GRANT), Some("tools")));
    assert_eq!(first.field("scope"), Some("use"));
    assert_eq!(first.field("resource"), Some(&*format!("http://{}/mcp", upstream.address())));
    for kind in ["subject_token_type", "requested_token_type"] {
        assert_eq!(first.field(kind), Some("urn:ietf:params:oauth:token-type:access_token"));
    }
    let shown = upstream.headers("authorization");
    assert!(shown.iter().all(|value| bearer(value.as_deref()).starts_with("canary-for-")), "{shown:?}");
    let log = gateway.log();
    assert!(!log.contains("canary") && [&alice, &later, &bob].iter().all(|token| !log.contains(*token)), "{log}");
}

#[tokio::test]
async fn a_caller_without_an_issued_token_is_refused_in_so_many_words() {
    let authority = exchanging().await;
    let mut auth = authority.trusted();
    auth["apiKeys"] = json!([{ "id": "ci", "token": "canary-key-0123456789" }]);
    let (upstream, gateway) = over(auth, credential(&authority)).await;
    let refusal =
        Modern::of(&gateway).bearing("canary-key-0123456789").call(1, "echo", "{}").await.refused(200, 1001).await;
    assert!(refusal["error"]["message"].as_str().unwrap().contains("caller's own token"), "{refusal}");
    assert!(authority.asked("/token").is_empty() && upstream.headers("authorization").is_empty());
    assert!(!gateway.log().contains("canary"), "{}", gateway.log());
}

#[tokio::test]
async fn many_calls_of_one_caller_at_once_exchange_once() {
    let authority = exchanging().await;
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::start(settings(&upstream, authority.trusted(), credential(&authority))).await;
    let token = authority.token("alice");
    let mut calls = Vec::new();
    for id in 0..10 {
        calls.push(Modern::of(&gateway).bearing(&token).begin_call(id, "echo", "{}").await);
    }
    for _ in 0..10 {
        upstream.take("tools/call").await.text_result("ok").await;
    }
    for call in calls {
        assert_eq!(text(call.answer().await).await, "ok");
    }
    assert_eq!(authority.asked("/token").len(), 1);
}

#[tokio::test]
async fn a_counterpart_that_the_server_refuses_is_replaced_once() {
    let authority = exchanging().await;
    let (upstream, gateway) = over(authority.trusted(), credential(&authority)).await;
    let token = authority.token("alice");
    let call = Modern::of(&gateway).bearing(&token).begin_call(1, "echo", "{}").await;
    let first = upstream.take("tools/call").await;
    first.respond(401, "", "").await;
    let mut second = upstream.take("tools/call").await;
    assert_ne!(first.header("authorization"), second.header("authorization"));
    second.text_result("ok").await;
    assert_eq!(text(call.answer().await).await, "ok");
}
