//! Limits that several gateways share in a real Redis, and what becomes of them while it is away.

use std::{future::Future, pin::Pin, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use crate::kit::{
    Answer, Arrived, Client, Era, Gateway, MODERN, Modern, Redis, Upstream, Wire, config, request, soon, until,
};

/// Three gateways in front of one server, with these limits.
struct Cluster {
    upstream: Upstream,
    redis: Redis,
    gateways: Vec<Gateway>,
}

impl Cluster {
    async fn under(limits: Value, timeout: &str) -> Self {
        let upstream = Upstream::new(Era::Modern, Wire::Http).await;
        let redis = Redis::start().await;
        let mut settings = config(&[("up", &upstream)]);
        settings["limits"] = limits;
        // Longer than a busy machine needs: a call that goes by its own share is counted twice.
        settings["redis"] = json!({ "url": redis.url(), "timeout": timeout });
        let mut gateways = Vec::new();
        for _ in 0..3 {
            gateways.push(Gateway::start(settings.clone()).await);
        }
        let cluster = Self { upstream, redis, gateways };
        // All have heard of each other.
        for gateway in &cluster.gateways {
            gateway.metric("myelin_limit_gateways", "3").await;
        }
        cluster
    }

    /// Sends so many lists to each gateway at once; answers with how many were let in.
    async fn storm(&self, each: usize) -> usize {
        let mut calls = JoinSet::new();
        for gateway in &self.gateways {
            let (address, body) = (gateway.address.clone(), Modern::of(gateway).body(1, "tools/list", ""));
            for _ in 0..each {
                let (address, body) = (address.clone(), body.clone());
                calls.spawn(async move { list(&address, &body).await });
            }
        }
        let statuses = calls.join_all().await;
        assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
        statuses.into_iter().filter(|status| *status == 200).count()
    }

    /// Calls until a place is free: the call, which goes on, and what its server got.
    async fn gets_in(&self, client: &Modern) -> (Pin<Box<impl Future<Output = Answer> + use<>>>, Arrived) {
        let tries = async {
            loop {
                let mut answer = Box::pin(client.begin_call(9, "echo", "{}").await.answer());
                tokio::select! {
                    arrived = self.upstream.take("tools/call") => return (answer, arrived),
                    answer = &mut answer => assert_eq!(answer.status, 429),
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        soon("a place is free", tries).await
    }

    async fn store_is(&self, up: &str) {
        for gateway in &self.gateways {
            gateway.metric("myelin_limit_store_up", up).await;
        }
    }
}

async fn list(address: &str, body: &str) -> u16 {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
    ];
    Client::exchange(address, &request("POST", "/mcp", &headers, body.as_bytes())).await.status
}

#[tokio::test]
async fn three_gateways_let_in_exactly_one_burst_together() {
    let rules = json!([
        { "per": "principal", "rate": "1/h", "burst": 60 },
        { "per": ["principal", "endpoint"], "quota": "1000/day" },
        { "per": "endpoint", "concurrency": 1000 },
    ]);
    let cluster = Cluster::under(rules, "5s").await;
    assert_eq!(cluster.storm(40).await, 60);
    assert_eq!(cluster.storm(5).await, 0);
}

#[tokio::test]
async fn three_gateways_let_in_exactly_one_quota_and_a_refused_call_takes_nothing() {
    let rules = json!([
        { "per": "principal", "rate": "1/h", "burst": 50 },
        { "per": "principal", "quota": "20/day" },
    ]);
    let cluster = Cluster::under(rules, "5s").await;
    assert_eq!(cluster.storm(20).await, 20);
    let refused = Modern::of(&cluster.gateways[0]).send(1, "tools/list", "").await;
    assert_eq!(refused.header("ratelimit-policy"), Some(r#""principal-2";q=20;w=86400"#));
    let data = refused.refused(429, 1004).await["error"]["data"].clone();
    assert!(data["resets"].as_str().unwrap().ends_with("T00:00:00Z"), "{data}");
}

#[tokio::test]
async fn places_are_shared_and_those_of_a_killed_gateway_run_out() {
    let mut cluster = Cluster::under(json!([{ "per": "tool", "concurrency": 2 }]), "5s").await;
    let clients: Vec<Modern> = cluster.gateways.iter().map(Modern::of).collect();
    let first = clients[0].begin_call(1, "echo", "{}").await;
    let mut arrived = cluster.upstream.take("tools/call").await;
    let _second = clients[1].begin_call(2, "echo", "{}").await;
    let _arrived = cluster.upstream.take("tools/call").await;
    clients[2].call(3, "echo", "{}").await.refused(429, 1004).await;
    // A place that is given back is free for the others.
    arrived.text_result("done").await;
    assert_eq!(first.answer().await.status, 200);
    let _third = cluster.gets_in(&clients[2]).await;
    // One that is killed gives nothing back: Redis does, when the lease runs out. What is held meanwhile is renewed.
    drop(cluster.gateways.remove(1));
    clients[0].call(5, "echo", "{}").await.refused(429, 1004).await;
    let _fourth = cluster.gets_in(&clients[0]).await;
    clients[2].call(6, "echo", "{}").await.refused(429, 1004).await;
}

#[tokio::test]
async fn calls_go_on_by_their_gateways_share_while_redis_stands_still_or_is_gone() {
    let mut cluster = Cluster::under(json!([{ "per": "principal", "rate": "1/h", "burst": 60 }]), "2s").await;
    assert_eq!(cluster.storm(10).await, 30, "half of the burst");
    cluster.redis.signal(Signal::STOP);
    cluster.store_is("0").await;
    let (status, ready) = cluster.gateways[0].admin("/readyz").await;
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!((status, &ready["problems"][0]["limits"]), (200, &json!("redis")));
    assert_eq!(ready["problems"][0]["problem"], "is away: limits go by this gateway's share, 1 of 3");
    // The bound: what is let in beyond the limit is one burst at the most, however long it takes.
    assert_eq!(cluster.storm(30).await, 60, "a third of the burst at each gateway");
    assert_eq!(cluster.storm(5).await, 0);
    cluster.redis.signal(Signal::CONT);
    cluster.store_is("1").await;
    assert_eq!(cluster.storm(20).await, 30, "the other half, which nobody took meanwhile");
    assert_eq!(cluster.storm(5).await, 0);
    // Gone and back, with what it wrote: nothing is let in twice, and the shares have not filled up again.
    cluster.redis.kill().await;
    cluster.store_is("0").await;
    assert_eq!(cluster.storm(5).await, 0);
    cluster.redis.start_again().await;
    cluster.store_is("1").await;
    assert_eq!(cluster.storm(5).await, 0);
    let log = cluster.gateways[0].log();
    assert!(log.contains("redis is away; limits go by this gateway's share"), "{log}");
}

#[tokio::test]
async fn no_call_fails_while_redis_comes_and_goes() {
    let mut cluster = Cluster::under(json!([{ "per": "principal", "rate": "1000/s", "burst": 1000000 }]), "50ms").await;
    let addresses: Vec<(String, String)> = cluster
        .gateways
        .iter()
        .map(|gateway| (gateway.address.clone(), Modern::of(gateway).body(1, "tools/list", "")))
        .collect();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut load = JoinSet::new();
    for (address, body) in addresses {
        let stopped = stopped.clone();
        load.spawn(async move {
            let mut calls = 0;
            while !*stopped.borrow() {
                assert_eq!(list(&address, &body).await, 200);
                calls += 1;
            }
            calls
        });
    }
    for _ in 0..2 {
        cluster.redis.signal(Signal::STOP);
        cluster.store_is("0").await;
        cluster.redis.signal(Signal::CONT);
        cluster.store_is("1").await;
        cluster.redis.kill().await;
        cluster.store_is("0").await;
        cluster.redis.start_again().await;
        cluster.store_is("1").await;
    }
    stop.send(true).unwrap();
    let calls: Vec<usize> = load.join_all().await;
    assert!(calls.iter().all(|calls| *calls > 0), "{calls:?}");
}

#[tokio::test]
async fn a_gateway_starts_without_redis_and_counts_with_the_others_when_it_comes() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut redis = Redis::start().await;
    redis.kill().await;
    let mut settings = config(&[("up", &upstream)]);
    settings["limits"] = json!([{ "per": "principal", "rate": "1/h", "burst": 4 }]);
    settings["redis"] = json!({ "url": redis.url(), "replicas": 2 });
    let gateway = Gateway::start(settings).await;
    until("the log says why", || gateway.log().contains("redis cannot be reached")).await;
    let client = Modern::of(&gateway);
    for id in 0..2 {
        assert_eq!(client.send(id, "tools/list", "").await.status, 200);
    }
    client.send(3, "tools/list", "").await.refused(429, 1004).await;
    redis.start_again().await;
    gateway.metric("myelin_limit_store_up", "1").await;
    assert_eq!(client.send(4, "tools/list", "").await.status, 200);
    until("the log says so", || gateway.log().contains("redis is there; limits are counted together")).await;
}

#[tokio::test]
async fn principals_take_turns_for_what_redis_counts() {
    let queue = json!({ "max": 8, "wait": "20s" });
    let cluster = Cluster::under(json!([{ "per": "tool", "concurrency": 1, "queue": queue }]), "5s").await;
    let clients: Vec<Modern> = cluster.gateways.iter().map(Modern::of).collect();
    let first = clients[0].begin_call(1, "echo", "{}").await;
    let mut arrived = cluster.upstream.take("tools/call").await;
    let waits = clients[1].begin_call(2, "echo", "{}").await;
    cluster.gateways[1].metric("myelin_limit_waiting", "1").await;
    arrived.text_result("one").await;
    assert_eq!(first.answer().await.status, 200);
    // The place of another gateway's call.
    cluster.upstream.take("tools/call").await.text_result("two").await;
    assert_eq!(waits.answer().await.status, 200);
}

#[tokio::test]
async fn limits_are_counted_together_over_tls_and_not_by_a_redis_of_another_authority() {
    let redis = Redis::start_with_tls().await;
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["limits"] = json!([{ "per": "principal", "rate": "1/h", "burst": 4 }]);
    settings["redis"] = json!({ "url": redis.url(), "ca": redis.ca(), "timeout": "5s" });
    let gateways = [Gateway::start(settings.clone()).await, Gateway::start(settings.clone()).await];
    for gateway in &gateways {
        gateway.metric("myelin_limit_store_up", "1").await;
    }
    let mut let_in = 0;
    for turn in 0..8 {
        let listed = Modern::of(&gateways[turn % 2]).send(1, "tools/list", "").await;
        let_in += usize::from(listed.status == 200);
    }
    assert_eq!(let_in, 4, "one burst for both");
    // An authority that did not sign its certificate.
    let stranger = Redis::start_with_tls().await;
    settings["redis"]["ca"] = json!(stranger.ca());
    let gateway = Gateway::start(settings).await;
    gateway.metric("myelin_limit_store_up", "0").await;
    let log = gateway.log();
    assert!(log.contains("redis cannot be reached"), "{log}");
}
