//! Many clients with the same ids at the same time: each hears its own answer and nobody else's.

use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::kit::{Arrived, Era, Gateway, Legacy, Modern, Upstream, Wire, config};

const CLIENTS: usize = 200;

/// Answers with what was asked, progress first, in an order of its own.
fn echo(upstream: &Upstream) {
    let upstream = upstream.clone();
    tokio::spawn(async move {
        let mut held: Vec<Arrived> = Vec::new();
        loop {
            // Calls are held back until several wait, then answered from the last to the first.
            let next = tokio::time::timeout(Duration::from_millis(20), upstream.take("tools/call")).await;
            let is_quiet = next.is_err();
            held.extend(next);
            if held.len() < 16 && !is_quiet {
                continue;
            }
            let mut batch = std::mem::take(&mut held);
            for arrived in &mut batch {
                let nonce = arrived.params()["arguments"]["nonce"].clone();
                arrived.progress(format!(r#"1,"message":{nonce}"#)).await;
            }
            for mut arrived in batch.into_iter().rev() {
                let nonce = arrived.params()["arguments"]["nonce"].clone();
                arrived.result(&format!(r#"{{"content":[],"nonce":{nonce}}}"#)).await;
            }
        }
    });
}

/// The client's own nonce comes back in its progress and in its answer, under its own id and token, and nothing else does.
fn check(messages: &[Value], nonce: &str) {
    let (answer, progress) = messages.split_last().expect("an answer");
    assert_eq!((&answer["result"]["nonce"], &answer["id"]), (&nonce.into(), &1.into()), "{messages:?}");
    assert_eq!(progress.len(), 1, "{messages:?}");
    assert_eq!(progress[0]["params"]["message"], nonce);
    assert_eq!(progress[0]["params"]["progressToken"], "same");
}

async fn modern(gateway: &Gateway, tool: &'static str, nonce: String) -> tokio::task::JoinHandle<()> {
    let client = Modern::of(gateway).meta(r#""progressToken":"same""#);
    tokio::spawn(async move {
        for round in 0..3 {
            let nonce = format!("{nonce}-{round}");
            let messages = client.call(1, tool, &format!(r#"{{"nonce":"{nonce}"}}"#)).await.all().await;
            check(&messages, &nonce);
        }
    })
}

async fn legacy(gateway: &Gateway, tool: &'static str, nonce: String) -> tokio::task::JoinHandle<()> {
    let client = Legacy::open(gateway).await;
    tokio::spawn(async move {
        for round in 0..3 {
            let nonce = format!("{nonce}-{round}");
            let members =
                format!(r#""name":"{tool}","arguments":{{"nonce":"{nonce}"}},"_meta":{{"progressToken":"same"}}"#);
            let messages = client.send(1, "tools/call", &members).await.all().await;
            check(&messages, &nonce);
        }
    })
}

async fn all_hear_their_own(era: Era) {
    let stdio = Upstream::offering(era, Wire::Stdio, tools("stdio")).await;
    let http = Upstream::offering(era, Wire::Http, tools("http")).await;
    echo(&stdio);
    echo(&http);
    let mut settings = config(&[("stdio", &stdio), ("http", &http)]);
    settings["mcpServers"]["stdio"]["pool"] =
        serde_json::json!({ "isolation": "shared", "max": 1, "maxInFlight": CLIENTS, "queueTimeout": "30s" });
    let gateway = Gateway::start(settings).await;
    let mut running = JoinSet::new();
    for number in 0..CLIENTS {
        let (tool, nonce) = (if number % 4 < 2 { "stdio" } else { "http" }, format!("{era:?}-{number}"));
        let client = match number % 2 {
            0 => modern(&gateway, tool, nonce).await,
            _ => legacy(&gateway, tool, nonce).await,
        };
        running.spawn(client);
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap().unwrap();
    }
    assert_eq!(stdio.count("tools/call") + http.count("tools/call"), 3 * CLIENTS, "each call was carried once");
    gateway.stop().await;
}

fn tools(name: &str) -> crate::kit::Catalog {
    crate::kit::Catalog { tools: vec![crate::kit::tool(name)], ..crate::kit::Catalog::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_with_the_same_ids_on_legacy_servers_each_hear_their_own() {
    all_hear_their_own(Era::Legacy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_with_the_same_ids_on_modern_servers_each_hear_their_own() {
    all_hear_their_own(Era::Modern).await;
}
