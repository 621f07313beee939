//! Servers that are called in the name of each user: consent, its pages, and the tokens that come of it.

mod browser;
mod consent;
mod elsewhere;
mod lists;
mod shared;
mod sign_in;
mod tokens;

use serde_json::{Value, json};

use crate::kit::{Arrived, Asked, Authority, Era, Gateway, Legacy, Modern, Upstream, Wire, text};

pub(super) const ALICE: &str = "canary-key-alice-0123456789";
pub(super) const BOB: &str = "canary-key-bob-0123456789ab";
const VISITS: &str = r#"{"elicitation":{"form":{},"url":{}}}"#;

fn keys() -> Value {
    json!({ "apiKeys": [{ "id": "alice", "token": ALICE }, { "id": "bob", "token": BOB }] })
}

/// An authorization server that gives `canary-access-CODE` for a code and `canary-access-N` for a refresh token that it gave, each once.
async fn agreeing(expires_in: u64) -> Authority {
    let (mut count, mut valid) = (0, std::collections::HashSet::new());
    Authority::start(move |asked: &Asked| match asked.path.as_str() {
        "/token" => {
            count += 1;
            let access = match asked.field("grant_type") {
                Some("authorization_code") => format!("canary-access-{}", asked.field("code").unwrap()),
                _ if !valid.remove(asked.field("refresh_token").unwrap_or("none")) => {
                    return (400, json!({ "error": "invalid_grant" }));
                }
                _ => format!("canary-access-{count}"),
            };
            let refresh = format!("canary-refresh-{count}");
            valid.insert(refresh.clone());
            (200, json!({ "access_token": access, "token_type": "Bearer", "expires_in": expires_in, "refresh_token": refresh }))
        }
        "/revoke" => (200, json!({})),
        _ => (404, json!({})),
    })
    .await
}

fn credential(authority: &Authority) -> Value {
    json!({ "oauth": { "issuer": authority.url, "clientId": "myelin", "clientSecret": "canary-secret", "scopes": ["use"] } })
}

async fn over(authority: &Authority) -> (Upstream, Gateway) {
    super::over(keys(), credential(authority)).await
}

/// A call of a legacy client that is asked to agree: its stream, and the address of the page.
async fn asked(client: &Legacy, id: u32) -> (crate::kit::Answer, Value, String) {
    let mut stream = client.begin_call(id, "echo", "{}").await.answer().await;
    let question = crate::kit::question(&mut stream).await;
    assert_eq!((&question["method"], &question["params"]["mode"]), (&json!("elicitation/create"), &json!("url")));
    let url = question["params"]["url"].as_str().unwrap().to_owned();
    (stream, question, url)
}

async fn legacy(gateway: &Gateway, token: &str) -> Legacy {
    Legacy::open_bearing(gateway, token, VISITS).await
}

/// Connects a principal, through a call that the server answers.
async fn connect(gateway: &Gateway, upstream: &Upstream, token: &str, code: &str) {
    let client = legacy(gateway, token).await;
    let (mut stream, question, url) = asked(&client, 1).await;
    client.reply(&question["id"], r#"{"action":"accept"}"#).await;
    let browser = browser::Browser::at(&url).await;
    let away = browser.agree(token).await;
    assert_eq!(browser.back(&away, &[("code", code)]).await.0, 200, "{}", gateway.log());
    let mut arrived = upstream.take("tools/call").await;
    assert_eq!(arrived.header("authorization"), Some(&*format!("Bearer canary-access-{code}")));
    arrived.text_result("connected").await;
    loop {
        let message = stream.message().await;
        if message["result"].is_object() {
            assert_eq!(message["result"]["content"][0]["text"], "connected");
            break;
        }
    }
}

/// A call that needs no question any more: what the server saw.
async fn shown(gateway: &Gateway, upstream: &Upstream, token: &str) -> String {
    let call = Modern::of(gateway).bearing(token).begin_call(1, "echo", "{}").await;
    let mut arrived: Arrived = upstream.take("tools/call").await;
    let shown = super::bearer(arrived.header("authorization")).to_owned();
    arrived.text_result("ok").await;
    assert_eq!(text(call.answer().await).await, "ok");
    shown
}

fn no_canary(gateway: &Gateway) {
    let log = gateway.log();
    assert!(!log.contains("canary"), "{log}");
}

async fn modern() -> Upstream {
    Upstream::new(Era::Modern, Wire::Http).await
}
