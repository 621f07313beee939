//! Who may come in, and what everybody else is told.

mod authority;
mod certificates;
mod connection;
mod endpoints;
mod foreign;
mod introspection;
mod issuer;
mod kubernetes;
mod step_up;
mod streams;
mod table;
mod tokens;

use serde_json::{Value, json};

use crate::kit::{Answer, Client, Era, Gateway, MODERN, Modern, Upstream, Wire, config, request};

use self::issuer::Issuer;

/// What the tests' tokens are for.
const RESOURCE: &str = "http://127.0.0.1/mcp";
const ALICE: &str = "tok-alice-0123456789";
const BOB: &str = "tok-bob-0123456789abc";

async fn over(auth: Value) -> (Upstream, Gateway) {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["auth"] = auth;
    let gateway = Gateway::start(settings).await;
    (upstream, gateway)
}

fn keys() -> Value {
    json!({ "apiKeys": [{ "id": "alice", "token": ALICE }, { "id": "bob", "token": BOB }] })
}

fn issued(issuer: &Issuer) -> Value {
    json!({ "issuers": [{ "issuer": issuer.url }], "scopes": ["mcp:basic"] })
}

/// A modern `tools/list` with these credentials.
fn list_request(gateway: &Gateway, credentials: &[(&str, &str)], path: &str) -> Vec<u8> {
    let body = Modern::of(gateway).body(1, "tools/list", "");
    let mut headers = vec![
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
    ];
    headers.extend(credentials);
    request("POST", path, &headers, body.as_bytes())
}

/// The answer to that.
async fn list(gateway: &Gateway, credentials: &[(&str, &str)], path: &str) -> Answer {
    Client::exchange(&gateway.address, &list_request(gateway, credentials, path)).await
}

async fn with_token(gateway: &Gateway, token: &str) -> Answer {
    list(gateway, &[("authorization", &format!("Bearer {token}"))], "/mcp").await
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, slot) in pending.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            return std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect());
        }
        std::task::Poll::Pending
    })
    .await
}
