//! Hostile servers: whatever one of them does, the calls of the others go on as before, every caller gets one answer, and nothing of it
//! is left.
//!
//! The figures of each act are printed (`--nocapture`).

mod stdio;

use std::{collections::BTreeMap, fs, time::Duration};

use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::kit::{Gateway, Modern, PATIENCE, until};

/// Calls of the server beside, before and while another is hostile.
const CALLS: usize = 40;
/// What a call of the server beside may take longer than before. Far more than it does: the machine is shared with other tests.
const MAY_BE_SLOWER: Duration = Duration::from_millis(500);
/// What may be left in memory: what the allocator keeps, and not what was sent.
const MAY_BE_LARGER: u64 = 48 << 20;

/// What a call of `nonce` on a server answers: the text, or the code of its error.
async fn call(client: &Modern, tool: &str, nonce: &str) -> Result<String, i64> {
    let answer = client.call(json!(nonce), tool, &json!({ "nonce": nonce }).to_string()).await;
    let mut all = timeout(PATIENCE, answer.all()).await.expect("an answer");
    assert_eq!(all.len(), 1, "one answer and nothing else: {all:?}");
    let response = all.remove(0);
    assert_eq!(response["id"], nonce, "{response}");
    match response["error"]["code"].as_i64() {
        Some(code) => Err(code),
        None => Ok(response["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()),
    }
}

/// How long the calls of the server beside take: half of them at the most, and the longest.
async fn beside(client: &Modern) -> (Duration, Duration) {
    let mut taken = Vec::with_capacity(CALLS);
    for number in 0..CALLS {
        let (nonce, before) = (format!("beside-{number}"), Instant::now());
        assert_eq!(call(client, "sane__echo", &nonce).await, Ok(nonce));
        taken.push(before.elapsed());
    }
    taken.sort();
    (taken[CALLS / 2], taken[CALLS - 1])
}

/// What a gateway holds.
struct Held {
    descriptors: usize,
    processes: usize,
    bytes: u64,
}

impl Held {
    fn by(gateway: &Gateway) -> Self {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", gateway.id())).unwrap().count();
        Self { descriptors, processes: gateway.processes().len(), bytes: gateway.resident_bytes() }
    }
}

/// Runs `act` while the server beside is called, and holds what was before against what is while and after it. `settle` brings the hostile
/// server back to where it was before.
async fn undisturbed(name: &str, gateway: &Gateway, act: impl Future<Output = ()>, settle: impl Future<Output = ()>) {
    let client = Modern::of(gateway);
    let calm = beside(&client).await;
    let before = Held::by(gateway);
    let ((), stormy) = tokio::join!(act, beside(&client));
    settle.await;
    until("no process is left", || gateway.processes().len() <= before.processes).await;
    // A connection of a client that has gone is closed a moment later.
    until("no descriptor is left", || Held::by(gateway).descriptors <= before.descriptors + 2).await;
    until("memory came back", || gateway.resident_bytes() <= before.bytes + MAY_BE_LARGER).await;
    let after = Held::by(gateway);
    println!(
        "{name}: calls beside {calm:?} before, {stormy:?} meanwhile; descriptors {} and {}, processes {} and {}, MiB {} and {}",
        before.descriptors,
        after.descriptors,
        before.processes,
        after.processes,
        before.bytes >> 20,
        after.bytes >> 20
    );
    assert!(stormy.0 <= calm.0 + MAY_BE_SLOWER, "{name}: {calm:?} before and {stormy:?} meanwhile");
}

/// All that is asked is answered, each once.
async fn all_answered(
    calls: impl IntoIterator<Item = (Modern, String, String)>,
) -> BTreeMap<String, Result<String, i64>> {
    let mut asking = JoinSet::new();
    for (client, tool, nonce) in calls {
        asking.spawn(async move { (nonce.clone(), call(&client, &tool, &nonce).await) });
    }
    asking.join_all().await.into_iter().collect()
}

/// A gateway in front of one server that is hostile and one that is not.
async fn gateway(hostile: Value, sane: Value) -> Gateway {
    Gateway::start(json!({
        "listen": "127.0.0.1:0",
        "admin": { "listen": "127.0.0.1:0" },
        "log": { "format": "json", "level": "info" },
        "lists": { "deadline": "2s" },
        "mcpServers": { "hostile": hostile, "sane": sane },
    }))
    .await
}
