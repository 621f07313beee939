//! How many children there are, for whom, and for how long.

use serde_json::{Value, json};

use crate::kit::{Arrived, Client, Era, Gateway, Legacy, Modern, Upstream, Wire, config, soon, until};

async fn gateway(upstream: &Upstream, pool: Value) -> Gateway {
    let mut settings = config(&[("up", upstream)]);
    settings["mcpServers"]["up"]["era"] = json!("legacy");
    settings["mcpServers"]["up"]["start"] = json!("lazy");
    settings["mcpServers"]["up"]["pool"] = pool;
    Gateway::start(settings).await
}

async fn begin(gateway: &Gateway, upstream: &Upstream, id: usize) -> (Client, Arrived) {
    let call = Modern::of(gateway).begin_call(id, "echo", &format!(r#"{{"n":{id}}}"#)).await;
    let arrived = upstream.take_if("the call", |arrived| arrived.params()["arguments"]["n"] == id).await;
    (call, arrived)
}

async fn finish((call, mut arrived): (Client, Arrived), text: &str) {
    arrived.text_result(text).await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], text);
}

/// A list is there, so that calls start nothing else.
async fn listed(gateway: &Gateway) {
    Modern::of(gateway).send(0, "tools/list", "").await.response().await;
}

#[tokio::test]
async fn as_many_children_start_at_once_as_calls_have_use_for() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = gateway(&upstream, json!({ "maxInFlight": 1, "isolation": "shared" })).await;
    listed(&gateway).await;
    let first = begin(&gateway, &upstream, 0).await;
    upstream.takes("initialize");
    let client = Modern::of(&gateway);
    let mut calls = Vec::new();
    for id in 1..4 {
        calls.push(client.begin_call(id, "echo", &format!(r#"{{"n":{id}}}"#)).await);
    }
    // All three are there before one of them has answered.
    let mut starting = Vec::new();
    for _ in 0..3 {
        starting.push(upstream.take("initialize").await);
    }
    for mut arrived in starting {
        arrived
            .result(r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"up","version":"1"}}"#)
            .await;
    }
    for _ in 0..3 {
        upstream.take("tools/call").await.text_result("one each").await;
    }
    for call in calls {
        assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "one each");
    }
    finish(first, "the first").await;
    gateway.metric(r#"myelin_upstream_children{server="up"}"#, "4").await;
}

#[tokio::test]
async fn one_key_has_no_more_children_than_it_may_and_calls_wait_in_turn() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = gateway(&upstream, json!({ "maxInFlight": 1, "maxPerKey": 2, "isolation": "shared" })).await;
    listed(&gateway).await;
    let (first, second) = (begin(&gateway, &upstream, 1).await, begin(&gateway, &upstream, 2).await);
    let third = Modern::of(&gateway).begin_call(3, "echo", r#"{"n":3}"#).await;
    gateway.metric(r#"myelin_upstream_queued_calls{server="up"}"#, "1").await;
    finish(first, "first").await;
    let third = (third, upstream.take_if("the third", |arrived| arrived.params()["arguments"]["n"] == 3).await);
    finish(third, "third").await;
    finish(second, "second").await;
    gateway.metric(r#"myelin_upstream_children{server="up"}"#, "2").await;
}

#[tokio::test]
async fn a_key_that_is_idle_gives_its_place_to_one_that_waits() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = gateway(&upstream, json!({ "max": 1, "isolation": "session" })).await;
    let (one, other) = (Legacy::open(&gateway).await, Legacy::open(&gateway).await);
    let call = one.begin_call(1, "echo", "{}").await;
    let mut busy = upstream.take("tools/call").await;
    let waiting = other.begin_call(1, "echo", "{}").await;
    gateway.metric(r#"myelin_upstream_queued_calls{server="up"}"#, "1").await;
    busy.text_result("one").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "one");
    upstream.take("tools/call").await.text_result("other").await;
    assert_eq!(waiting.answer().await.response().await["result"]["content"][0]["text"], "other");
}

#[tokio::test]
async fn whoever_left_the_queue_takes_no_place_from_who_is_at_work() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let pool = json!({ "max": 1, "isolation": "session", "queueTimeout": "2s" });
    let gateway = gateway(&upstream, pool).await;
    let (worker, other) = (Legacy::open(&gateway).await, Legacy::open(&gateway).await);
    let call = worker.begin_call(1, "echo", "{}").await;
    let busy = upstream.take("tools/call").await;
    let (process, started) = (busy.connection(), upstream.count("initialize"));
    let refused = other.call(1, "echo", "{}").await.response().await;
    assert!(refused["error"].is_object() || refused["result"]["isError"] == true, "{refused}");
    gateway.metric(r#"myelin_upstream_queued_calls{server="up"}"#, "0").await;
    let mut busy = busy;
    busy.text_result("one").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "one");
    let next = worker.begin_call(2, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    assert_eq!((arrived.connection(), upstream.count("initialize")), (process, started), "its process is what it was");
    arrived.text_result("two").await;
    assert_eq!(next.answer().await.response().await["result"]["content"][0]["text"], "two");
    gateway.stop().await;
}

#[tokio::test]
async fn a_spare_is_initialised_ahead_and_taken_by_the_next_key_and_another_one_started() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = gateway(&upstream, json!({ "warm": 1, "isolation": "session" })).await;
    for key in 1..=3 {
        let session = Legacy::open(&gateway).await;
        let call = session.begin_call(1, "echo", "{}").await;
        upstream.take("tools/call").await.text_result("served").await;
        assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "served");
        // Its own, and one for whoever comes next.
        until("a spare is initialised", || upstream.count("initialize") == key + 1).await;
        gateway.metric(r#"myelin_upstream_children{server="up"}"#, &key.to_string()).await;
        gateway.metric(r#"myelin_upstream_spares{server="up"}"#, "1").await;
        assert_eq!(upstream.count("initialize"), key + 1);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_least_number_of_children_is_started_and_kept() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["pool"] = json!({ "isolation": "shared", "min": 3 });
    let gateway = Gateway::start(settings).await;
    gateway.metric(r#"myelin_upstream_children{server="up"}"#, "3").await;
    let (call, arrived) = begin(&gateway, &upstream, 1).await;
    arrived.hang_up().await;
    call.answer().await.refused(200, 1001).await;
    until("another one is started in its place", || upstream.count("initialize") >= 4).await;
    gateway.metric(r#"myelin_upstream_children{server="up"}"#, "3").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_child_that_lived_long_enough_finishes_its_calls_while_another_takes_the_new_ones() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let gateway = gateway(&upstream, json!({ "maxLifetime": "2s", "max": 1, "isolation": "shared" })).await;
    listed(&gateway).await;
    let (call, mut old) = begin(&gateway, &upstream, 1).await;
    let mut calls = 2..;
    soon("it takes no new calls", async {
        loop {
            let (next, new) = begin(&gateway, &upstream, calls.next().unwrap()).await;
            let connection = new.connection();
            finish((next, new), "meanwhile").await;
            if connection != old.connection() {
                break;
            }
        }
    })
    .await;
    old.text_result("old").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "old");
    old.is_given_up().await;
    gateway.stop().await;
}
