//! Streams end when what let them in does, and what they belong to goes on for whoever comes back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jsonwebtoken::get_current_timestamp;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    ALICE, BOB, RESOURCE,
    authority::{Asked, Authority, Says},
    issuer::{Issuer, Signer},
    keys, over,
};
use crate::kit::{Answer, Client, Gateway, Legacy, Modern, Upstream, config, request};

const LISTEN: &str = r#""notifications":{"toolsListChanged":true}"#;
const WITH_PROGRESS: &str = r#""name":"echo","arguments":{},"_meta":{"progressToken":"p"}"#;

/// A gateway whose clock is the issuer's, so that a token ends when it says.
struct Ground {
    signer: Signer,
    issuer: Issuer,
    upstream: Upstream,
    gateway: Gateway,
}

impl Ground {
    async fn new() -> Self {
        let signer = Signer::new("k1");
        let issuer = Issuer::start(&signer).await;
        let (upstream, gateway) = over(json!({ "issuers": [{ "issuer": issuer.url }], "clockSkew": "0s" })).await;
        Self { signer, issuer, upstream, gateway }
    }

    /// A token that ends in so many seconds.
    fn token(&self, seconds: u64) -> String {
        self.signer.sign(&self.issuer.but("exp", json!(get_current_timestamp() + seconds)))
    }
}

async fn listen(gateway: &Gateway, token: &str) -> Answer {
    let mut stream = Modern::of(gateway).bearing(token).send(7, "subscriptions/listen", LISTEN).await;
    assert!(stream.is_stream());
    assert_eq!(stream.message().await["method"], "notifications/subscriptions/acknowledged");
    stream
}

#[tokio::test]
async fn a_subscription_has_its_result_when_its_token_ends() {
    let ground = Ground::new().await;
    let token = ground.token(2);
    let stream = listen(&ground.gateway, &token).await;
    let last = stream.response().await;
    assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!(7), &json!("complete")), "{last}");
    assert_eq!(Modern::of(&ground.gateway).bearing(&token).send(8, "tools/list", "").await.status, 401);
    listen(&ground.gateway, &ground.token(600)).await;
}

#[tokio::test]
async fn a_modern_call_is_given_up_when_its_token_ends_and_its_client_hears_why() {
    let ground = Ground::new().await;
    let client = Modern::of(&ground.gateway).meta(r#""progressToken":"p""#).bearing(&ground.token(2));
    let call = client.begin_call(1, "echo", "{}").await;
    let mut arrived = ground.upstream.take("tools/call").await;
    arrived.progress(1).await;
    let stream = call.answer().await;
    assert!(stream.is_stream());
    let last = stream.response().await;
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(1009)), "{last}");
    arrived.is_given_up().await;
    ground
        .gateway
        .metric("myelin_requests_total{era=\"modern\",method=\"tools/call\",outcome=\"token_ended\"}", "1")
        .await;
}

#[tokio::test]
async fn a_legacy_session_goes_on_with_the_next_token() {
    let ground = Ground::new().await;
    let (short, long) = (ground.token(3), ground.token(600));
    let session = Legacy::open_bearing(&ground.gateway, &short, "{}").await;
    let own = session.stream(None).await;
    assert_eq!(own.status, 200);
    let call = session.begin_post(&Legacy::body(1, "tools/call", WITH_PROGRESS)).await;
    let mut arrived = ground.upstream.take("tools/call").await;
    arrived.progress(1).await;
    let mut stream = call.answer().await;
    let mut last = None;
    while let Some(event) = stream.event().await {
        last = event.id.or(last);
    }
    assert_eq!(own.all().await, Vec::<Value>::new(), "the session's own stream ended as well");
    assert_eq!(session.send(2, "ping", "").await.status, 401);
    let session = session.bearing(&long);
    assert_eq!(session.send(2, "ping", "").await.status, 200);
    let rest = session.stream(last.as_deref()).await;
    arrived.text_result("done").await;
    let answer = rest.response().await;
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(1), &json!("done")), "{answer}");
}

#[tokio::test]
async fn a_stream_of_the_oldest_transport_ends_with_its_token_and_its_session_with_it() {
    let ground = Ground::new().await;
    let bearer = format!("Bearer {}", ground.token(2));
    let headers = [("accept", "text/event-stream"), ("authorization", bearer.as_str())];
    let mut stream = Client::exchange(&ground.gateway.address, &request("GET", "/sse", &headers, b"")).await;
    let address = stream.event().await.unwrap().data;
    assert!(stream.event().await.is_none());
    let bearer = format!("Bearer {}", ground.token(600));
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let late = Client::exchange(&ground.gateway.address, &request("POST", &address, &headers, ping.as_bytes())).await;
    assert_eq!(late.status, 404);
}

#[tokio::test]
async fn a_key_that_is_taken_out_ends_its_streams_and_no_others() {
    let (upstream, gateway) = over(keys()).await;
    let (mut alice, bob) = (listen(&gateway, ALICE).await, listen(&gateway, BOB).await);
    let own = Legacy::open_bearing(&gateway, BOB, "{}").await.stream(None).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["auth"] = json!({ "apiKeys": [{ "id": "alice", "token": ALICE }] });
    gateway.rewrite(settings);
    gateway.signal(Signal::HUP);
    assert_eq!(bob.response().await["result"]["resultType"], "complete");
    // A reload is a change of lists as well, which may be told before the end.
    assert!(own.all().await.iter().all(|told| told["method"].is_string()));
    upstream.is_heard_by(1).await;
    upstream.tell("notifications/tools/list_changed", "").await;
    assert_eq!(alice.message().await["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_its_streams_at_the_next_look() {
    let revoked = Arc::new(AtomicBool::new(false));
    let is_revoked = revoked.clone();
    let authority = Authority::start(move |asked: &Asked| {
        let is_good = asked.field("token") == Some("good") || !is_revoked.load(Ordering::SeqCst);
        Says::Json(200, json!({ "active": is_good, "aud": RESOURCE, "sub": asked.field("token") }))
    })
    .await;
    let url = format!("{}/introspect", authority.url);
    let asking = json!([{ "url": url, "clientId": "c", "clientSecret": "s" }]);
    let (upstream, gateway) = over(json!({ "introspection": asking, "rememberFor": "200ms" })).await;
    let (mut good, bad) = (listen(&gateway, "good").await, listen(&gateway, "bad").await);
    revoked.store(true, Ordering::SeqCst);
    assert_eq!(bad.response().await["result"]["resultType"], "complete");
    upstream.is_heard_by(1).await;
    upstream.tell("notifications/tools/list_changed", "").await;
    assert_eq!(good.message().await["method"], "notifications/tools/list_changed");
}
