//! The kit: the real gateway as a process, clients that can send anything, and servers that the tests write the lines of.
//!
//! Nothing here shares code with the gateway: a peer that did would repeat its mistakes. Everything waits for conditions, each with
//! a deadline; nothing is tried twice.

mod authority;
mod autopilot;
mod client;
mod cluster;
mod gateway;
pub(crate) mod http;
mod legacy;
mod marks;
mod modern;
mod redis;
pub(crate) mod tls;
mod upstream;

use std::{future::Future, time::Duration};

use serde_json::Value;
use tokio::time::{sleep, timeout};

pub(crate) use authority::{Asked, Authority, fields};
pub(crate) use autopilot::{Catalog, tool};
pub(crate) use client::{Answer, Client, request};
pub(crate) use cluster::{Cluster, service};
pub(crate) use gateway::{Gateway, config};
pub(crate) use legacy::Legacy;
pub(crate) use modern::Modern;
pub(crate) use redis::Redis;
pub(crate) use upstream::{Arrived, Era, Upstream, Wire};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The revision that is modern.
pub(crate) const MODERN: &str = "2026-07-28";
/// The newest legacy revision.
pub(crate) const NEWEST_LEGACY: &str = "2025-11-25";

/// What the future answers, before the deadline.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

/// Waits for a condition that nobody announces.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let poll = async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, poll).await;
}

/// Nothing comes of it, for as long as `quiet` lasts.
pub(crate) async fn never<T>(what: &str, quiet: Duration, future: impl Future<Output = T>) {
    assert!(timeout(quiet, future).await.is_err(), "should not have happened: {what}");
}

/// The text of a member as it stands, found without changing a byte.
pub(crate) fn raw_member(text: &str, path: &[&str]) -> String {
    let mut text = text.to_owned();
    for name in path {
        let members: std::collections::HashMap<String, Box<serde_json::value::RawValue>> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        text = members.get(*name).unwrap_or_else(|| panic!("no {name}: {text}")).get().to_owned();
    }
    text
}

/// The names of a list's entries.
pub(crate) fn names(message: &Value, list: &str) -> Vec<String> {
    let entries = message["result"][list].as_array().unwrap_or_else(|| panic!("no {list}: {message}"));
    entries.iter().map(|entry| entry["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The text of a tool's result.
pub(crate) async fn text(answer: Answer) -> String {
    let response = answer.response().await;
    response["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{response}")).to_owned()
}

/// The next question on a legacy client's stream.
pub(crate) async fn question(stream: &mut Answer) -> Value {
    loop {
        let message = stream.message().await;
        if message["method"].is_string() && !message["id"].is_null() {
            return message;
        }
        assert!(message["result"].is_null() && message["error"].is_null(), "{message}");
    }
}
