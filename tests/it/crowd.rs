//! A thousand calls that wait for their users at once: what they cost, and that nothing of them is left when nobody comes back.
//!
//! The figures are printed (`--nocapture`); tests/bench/README.md has those of a release build.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use crate::kit::{Arrived, Era, Gateway, Modern, Upstream, Wire, config};

const CALLS: usize = 1000;
const AT_ONCE: usize = 50;
const FORM: &str = r#"{"message":"Name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}"#;
/// Longer than it takes to park all of them on a busy machine.
const LIFETIME: Duration = Duration::from_secs(20);
/// What a parked call may cost: its connection to the server with both buffers, its question, its place in the table.
const BYTES_PER_CALL: u64 = 64 << 10;

async fn gateway(upstream: &Upstream) -> Gateway {
    let mut settings = config(&[("up", upstream)]);
    settings["log"]["level"] = json!("info");
    settings["questions"] = json!({ "lifetime": format!("{}s", LIFETIME.as_secs()) });
    settings["mcpServers"]["up"]["maxConnections"] = json!(2 * CALLS);
    Gateway::start(settings).await
}

/// A call that is asked: the server's side of it, and the id that the server has for it.
async fn park(client: &Modern, upstream: &Upstream, id: usize) -> (Arrived, Value) {
    let call = client.begin_call(id, "echo", &format!(r#"{{"n":{id}}}"#)).await;
    let is_this = |arrived: &Arrived| arrived.params()["arguments"]["n"] == id;
    let mut arrived = upstream.take_if("the call", is_this).await;
    arrived.ask(&json!(id), "elicitation/create", FORM).await;
    let response = call.answer().await.response().await;
    assert_eq!(response["result"]["resultType"], "input_required", "{response}");
    let own = arrived.id().clone();
    (arrived, own)
}

async fn park_all(gateway: &Gateway, upstream: &Upstream) -> Vec<(Arrived, Value)> {
    let client = Modern::of(gateway).capable(r#"{"elicitation":{}}"#);
    let (mut parking, mut parked) = (JoinSet::new(), Vec::with_capacity(CALLS));
    for id in 0..CALLS {
        if parking.len() == AT_ONCE {
            parked.extend(parking.join_next().await.unwrap());
        }
        let (client, upstream) = (client.clone(), upstream.clone());
        parking.spawn(async move { park(&client, &upstream, id).await });
    }
    parked.extend(parking.join_all().await);
    parked
}

#[tokio::test]
async fn a_thousand_parked_calls_are_small_and_nothing_of_them_is_left_when_they_expire() {
    let upstream = Upstream::new(Era::Legacy, Wire::Http).await;
    let gateway = gateway(&upstream).await;
    Modern::of(&gateway).send("0", "tools/list", "").await.response().await;
    let before = gateway.resident_bytes();
    let started = Instant::now();
    let parked = park_all(&gateway, &upstream).await;
    gateway.metric("myelin_parked_calls", &CALLS.to_string()).await;
    assert!(started.elapsed() < LIFETIME, "all were parked before the first expired");
    let full = gateway.resident_bytes();
    let mut waiting: BTreeSet<String> = parked.iter().map(|(_, id)| id.to_string()).collect();
    for _ in 0..CALLS {
        let cancelled = upstream.take("notifications/cancelled").await;
        waiting.remove(&cancelled.params()["requestId"].to_string());
    }
    assert_eq!(waiting, BTreeSet::new(), "each call is cancelled");
    gateway.metric("myelin_parked_calls", "0").await;
    gateway.metric("myelin_parked_calls_expired_total", &CALLS.to_string()).await;
    for (mut arrived, _) in parked {
        arrived.is_given_up().await;
    }
    let per_call = full.saturating_sub(before) / CALLS as u64;
    println!("before {before}, {CALLS} parked {full}, {per_call} for each; after {}", gateway.resident_bytes());
    assert!(per_call < BYTES_PER_CALL, "{per_call} bytes for each parked call");
    // The allocator keeps what it had: the second thousand finds the room of the first.
    drop(park_all(&gateway, &upstream).await);
    let again = gateway.resident_bytes();
    println!("another {CALLS} parked {again}");
    assert!(again < full + (full - before) / 2, "{full} bytes and then {again}: something of the first is left");
}
