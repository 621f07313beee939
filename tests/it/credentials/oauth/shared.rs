//! Connections of users that replicas share in a real Redis: made, renewed and ended by any of them, and what becomes of them without it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{ALICE, BOB, agreeing, asked, connect, credential, keys, legacy, modern, no_canary, shown};
use crate::kit::{Authority, Gateway, Modern, Redis, Upstream, soon, text};

/// Two gateways in front of one server.
struct Pair {
    upstream: Upstream,
    authority: Authority,
    redis: Redis,
    a: Gateway,
    b: Gateway,
}

impl Pair {
    async fn new(expires_in: u64) -> Self {
        let (upstream, authority, redis) = (modern().await, agreeing(expires_in).await, Redis::start().await);
        let settings = settings(&upstream, &authority, &redis);
        let (a, b) = (Gateway::start(settings.clone()).await, Gateway::start(settings).await);
        Self { upstream, authority, redis, a, b }
    }
}

fn settings(upstream: &Upstream, authority: &Authority, redis: &Redis) -> Value {
    let mut settings = super::super::settings(upstream, keys(), credential(authority));
    settings["sealing"] = json!({ "keys": ["canary-sealing-key-of-enough-characters"] });
    // Longer than a busy machine needs.
    settings["redis"] = json!({ "url": redis.url(), "timeout": "5s" });
    settings
}

async fn connected(gateway: &Gateway) -> usize {
    let (_, listed) = gateway.operator("GET", "/api/connections", "").await;
    serde_json::from_str::<Value>(&listed).unwrap()["connections"].as_array().unwrap().len()
}

async fn have(gateway: &Gateway, count: usize) {
    let wait = async {
        while connected(gateway).await != count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(&format!("{count} are connected"), wait).await;
}

async fn revoke(gateway: &Gateway, principal: &str) {
    let body = json!({ "principal": principal, "server": "up" }).to_string();
    let (status, said) = gateway.operator("POST", "/api/connections/revoke", &body).await;
    assert_eq!(status, 200, "{said}");
}

#[tokio::test]
async fn who_agreed_at_one_replica_is_connected_at_all_and_one_revocation_ends_it_at_all() {
    let pair = Pair::new(3600).await;
    pair.authority.says("revocation_endpoint", json!(format!("{}/revoke", pair.authority.url)));
    connect(&pair.a, &pair.upstream, ALICE, "c").await;
    // At once, before the other one heard of it.
    assert_eq!(shown(&pair.b, &pair.upstream, ALICE).await, "canary-access-c");
    assert_eq!(pair.authority.asked("/token").len(), 1);
    Modern::of(&pair.b).bearing(BOB).call(1, "echo", "{}").await.refused(200, 1010).await;
    // What lies in Redis says nothing of whom and what.
    let mut redis = TcpStream::connect(pair.redis.url().trim_start_matches("redis://")).await.unwrap();
    redis.write_all(b"HGETALL myelin:{connections}:values\r\nQUIT\r\n").await.unwrap();
    let mut found = String::new();
    soon("redis answers", redis.read_to_string(&mut found)).await.unwrap();
    assert!(found.starts_with("*2") && !found.contains("canary") && !found.contains("alice"), "{found}");
    // A third one that comes later knows as well.
    let c = Gateway::start(settings(&pair.upstream, &pair.authority, &pair.redis)).await;
    assert_eq!(connected(&c).await, 1);

    revoke(&pair.b, "alice").await;
    assert_eq!(pair.authority.asked("/revoke").len(), 1);
    for gateway in [&pair.a, &c] {
        have(gateway, 0).await;
        Modern::of(gateway).bearing(ALICE).call(9, "echo", "{}").await.refused(200, 1010).await;
    }
    no_canary(&pair.a);
    no_canary(&pair.b);
}

#[tokio::test]
async fn no_refresh_token_is_used_twice_whichever_replicas_are_called() {
    let pair = Pair::new(0).await;
    let client = legacy(&pair.a, ALICE).await;
    let (_stream, _, url) = asked(&client, 1).await;
    let browser = super::browser::Browser::at(&url).await;
    let away = browser.agree(ALICE).await;
    assert_eq!(browser.back(&away, &[("code", "c")]).await.0, 200);
    pair.upstream.take("tools/call").await.text_result("ok").await;
    for round in 0..4 {
        let mut calls = Vec::new();
        for gateway in [&pair.a, &pair.b] {
            calls.push(Modern::of(gateway).bearing(ALICE).begin_call(round, "echo", "{}").await);
        }
        for _ in 0..2 {
            pair.upstream.take("tools/call").await.text_result("ok").await;
        }
        for call in calls {
            assert_eq!(text(call.answer().await).await, "ok");
        }
    }
    let used: Vec<_> = pair
        .authority
        .asked("/token")
        .iter()
        .skip(1)
        .map(|asked| asked.field("refresh_token").unwrap().to_owned())
        .collect();
    let distinct: std::collections::BTreeSet<_> = used.iter().collect();
    assert_eq!(distinct.len(), used.len(), "{used:?}");
}

#[tokio::test]
async fn a_token_that_the_server_refuses_is_replaced_once_for_all_replicas() {
    let pair = Pair::new(3600).await;
    connect(&pair.a, &pair.upstream, ALICE, "c").await;
    assert_eq!(shown(&pair.b, &pair.upstream, ALICE).await, "canary-access-c");
    pair.authority.hold(true);
    let mut calls = Vec::new();
    for gateway in [&pair.a, &pair.b] {
        calls.push(Modern::of(gateway).bearing(ALICE).begin_call(1, "echo", "{}").await);
        pair.upstream.take("tools/call").await.respond(401, "", "").await;
    }
    pair.authority.was_asked("/token", 2).await;
    pair.authority.hold(false);
    for _ in 0..2 {
        let mut arrived = pair.upstream.take("tools/call").await;
        assert_eq!(arrived.header("authorization"), Some("Bearer canary-access-2"));
        arrived.text_result("ok").await;
    }
    for call in calls {
        assert_eq!(text(call.answer().await).await, "ok");
    }
    assert_eq!(pair.authority.asked("/token").len(), 2, "the other one took what the first got");
}

#[tokio::test]
async fn without_redis_what_is_known_serves_the_rest_is_refused_clearly_and_what_was_missed_is_made_up_for() {
    let mut pair = Pair::new(3600).await;
    connect(&pair.a, &pair.upstream, ALICE, "c").await;
    assert_eq!(shown(&pair.b, &pair.upstream, ALICE).await, "canary-access-c");
    pair.redis.kill().await;
    for gateway in [&pair.a, &pair.b] {
        assert_eq!(shown(gateway, &pair.upstream, ALICE).await, "canary-access-c");
        let refused = Modern::of(gateway).bearing(BOB).call(1, "echo", "{}").await.response().await;
        assert!(refused["error"]["message"].as_str().unwrap().contains("call again in a moment"), "{refused}");
    }
    // Ended while nobody can be told: the others hear of it later.
    revoke(&pair.a, "alice").await;
    assert_eq!(connected(&pair.a).await, 0);
    pair.redis.start_again().await;
    have(&pair.b, 0).await;
    let wait = async {
        // It is found again within a second.
        while !Modern::of(&pair.b)
            .bearing(BOB)
            .call(2, "echo", "{}")
            .await
            .response()
            .await
            .to_string()
            .contains("1010")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("whoever is not connected is asked again", wait).await;
    connect(&pair.b, &pair.upstream, BOB, "d").await;
    assert_eq!(shown(&pair.a, &pair.upstream, BOB).await, "canary-access-d");
}

#[tokio::test]
async fn connections_of_a_folder_are_shared_from_the_first_start_with_redis_on() {
    let (upstream, authority, redis) = (modern().await, agreeing(3600).await, Redis::start().await);
    let state = tempfile::TempDir::new().unwrap();
    let with_redis = settings(&upstream, &authority, &redis);
    let mut alone = with_redis.clone();
    alone.as_object_mut().unwrap().remove("redis");
    alone["stateDir"] = json!(state.path());
    let gateway = Gateway::start(alone).await;
    connect(&gateway, &upstream, ALICE, "c").await;
    gateway.stop().await;
    let mut both = with_redis.clone();
    both["stateDir"] = json!(state.path());
    let first = Gateway::start(both).await;
    let second = Gateway::start(with_redis).await;
    assert_eq!(shown(&second, &upstream, ALICE).await, "canary-access-c");
    assert_eq!(connected(&first).await, 1);
    assert_eq!(std::fs::read_dir(state.path().join("connections")).unwrap().count(), 0, "it lies in one place");
}

#[tokio::test]
async fn keys_rotate_without_a_shared_connection_that_is_lost() {
    const OLD: &str = "canary-sealing-key-of-enough-characters";
    const NEW: &str = "canary-another-key-of-enough-characters";
    let pair = Pair::new(3600).await;
    connect(&pair.a, &pair.upstream, ALICE, "c").await;
    for keys in [[OLD, NEW].as_slice(), &[NEW, OLD], &[NEW]] {
        let mut settings = settings(&pair.upstream, &pair.authority, &pair.redis);
        settings["sealing"] = json!({ "keys": keys });
        let gateway = Gateway::start(settings).await;
        assert_eq!(shown(&gateway, &pair.upstream, ALICE).await, "canary-access-c");
        gateway.stop().await;
    }
}
