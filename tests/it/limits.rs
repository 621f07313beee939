//! Limits: what is refused, how its client hears of it, and that nobody pays for somebody else.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::{Answer, Client, Era, Gateway, Legacy, MODERN, Modern, Upstream, Wire, config, request};

const ALICE: &str = "tok-alice-0123456789";
const BOB: &str = "tok-bob-0123456789abc";

async fn under(limits: Value) -> (Upstream, Gateway) {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["limits"] = limits;
    let gateway = Gateway::start(settings).await;
    (upstream, gateway)
}

async fn list_as(gateway: &Gateway, token: &str) -> Answer {
    let body = Modern::of(gateway).body(1, "tools/list", "");
    let bearer = format!("Bearer {token}");
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
        ("authorization", &bearer),
    ];
    Client::exchange(&gateway.address, &request("POST", "/mcp", &headers, body.as_bytes())).await
}

/// A call that its server answers.
async fn calls(upstream: &Upstream, call: Client) {
    upstream.take("tools/call").await.text_result("done").await;
    assert_eq!(call.answer().await.status, 200);
}

fn header(answer: &Answer, name: &str) -> String {
    answer.header(name).unwrap_or_else(|| panic!("no {name}")).to_owned()
}

#[tokio::test]
async fn a_modern_client_hears_which_limit_and_when_to_come_back() {
    let (upstream, gateway) = under(json!([{ "per": "tool", "match": "ec*", "rate": "2/h", "burst": 2 }])).await;
    let client = Modern::of(&gateway);
    for id in 0..2 {
        calls(&upstream, client.begin_call(id, "echo", "{}").await).await;
    }
    let refused = client.call(3, "echo", "{}").await;
    assert_eq!(header(&refused, "ratelimit-policy"), r#""tool-1";q=2;w=3600"#);
    let seconds: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1700..=1800).contains(&seconds), "{seconds}");
    assert_eq!(header(&refused, "ratelimit"), format!(r#""tool-1";r=0;t={seconds}"#));
    let data = refused.refused(429, 1004).await["error"]["data"].clone();
    assert_eq!(
        (&data["per"], &data["policy"], &data["limit"]),
        (&json!("tool"), &json!("tool-1"), &json!("2 in 3600 s per tool"))
    );
    let after = data["retryAfterMs"].as_u64().unwrap();
    assert!(after <= seconds * 1000 && after + 1000 > seconds * 1000, "{after}");
    assert_eq!(upstream.count("tools/call"), 2, "the server heard nothing of it");
    gateway.metric("myelin_refused_by_limit_total{limit=\"per_tool\"}", "1").await;
    gateway.metric("myelin_limit_keys", "1").await;
}

#[tokio::test]
async fn a_legacy_client_hears_it_in_the_error_and_the_headers() {
    let (upstream, gateway) = under(json!([{ "per": "server", "rate": "1/h" }])).await;
    let client = Legacy::open(&gateway).await;
    calls(&upstream, client.begin_call(1, "echo", "{}").await).await;
    let refused = client.call(2, "echo", "{}").await;
    assert_eq!(header(&refused, "ratelimit-policy"), r#""server-1";q=1;w=3600"#);
    let data = refused.refused(429, 1004).await["error"]["data"].clone();
    assert_eq!(data["per"], "server");
    assert!(data["retryAfterMs"].as_u64().unwrap() > 3_500_000, "{data}");
}

#[tokio::test]
async fn a_rate_recovers_after_the_time_that_was_said() {
    let (_upstream, gateway) = under(json!([{ "per": "endpoint", "rate": "2/s", "burst": 1 }])).await;
    let client = Modern::of(&gateway);
    let mut answer = client.send(1, "tools/list", "").await;
    while answer.status == 200 {
        answer = client.send(2, "tools/list", "").await;
    }
    let after = answer.refused(429, 1004).await["error"]["data"]["retryAfterMs"].as_u64().unwrap();
    assert!(after <= 500, "{after}");
    tokio::time::sleep(Duration::from_millis(after + 1)).await;
    assert_eq!(client.send(3, "tools/list", "").await.status, 200);
}

#[tokio::test]
async fn lists_discovery_handshakes_and_streams_count_at_the_door() {
    let (_upstream, gateway) = under(json!([{ "per": "principal", "rate": "1/h", "burst": 3 }])).await;
    let client = Modern::of(&gateway);
    assert_eq!(client.send(1, "server/discover", "").await.status, 200);
    assert_eq!(client.send(2, "tools/list", "").await.status, 200);
    assert_eq!(client.send(3, "prompts/list", "").await.status, 200);
    client.send(4, "resources/list", "").await.refused(429, 1004).await;
    client.send(5, "subscriptions/listen", r#""notifications":{}"#).await.refused(429, 1004).await;
    Legacy::try_open(&gateway).await.refused(429, 1004).await;
    gateway.metric("myelin_refused_by_limit_total{limit=\"per_principal\"}", "3").await;
}

#[tokio::test]
async fn notifications_of_a_session_count_as_well() {
    let (_upstream, gateway) = under(json!([{ "per": "principal", "rate": "1/h", "burst": 2 }])).await;
    let client = Legacy::open(&gateway).await;
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    assert_eq!(client.post(changed).await.status, 202);
    let refused = client.post(changed).await;
    assert_eq!((refused.status, header(&refused, "ratelimit-policy").as_str()), (429, r#""principal-1";q=1;w=3600"#));
}

#[tokio::test]
async fn a_place_is_free_again_when_its_call_ends_or_its_client_goes() {
    let (upstream, gateway) = under(json!([{ "per": "endpoint", "concurrency": 1 }])).await;
    let client = Modern::of(&gateway);
    let call = client.begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    let refused = client.send(2, "tools/list", "").await;
    assert_eq!(header(&refused, "ratelimit-policy"), r#""endpoint-1";q=1;qu="concurrent-requests""#);
    assert_eq!(header(&refused, "retry-after"), "1");
    refused.refused(429, 1004).await;
    arrived.text_result("done").await;
    assert_eq!(call.answer().await.status, 200);
    let gone = client.begin_call(3, "echo", "{}").await;
    let _arrived = upstream.take("tools/call").await;
    drop(gone);
    gateway.metric("myelin_requests_in_flight", "0").await;
    assert_eq!(client.send(4, "tools/list", "").await.status, 200);
}

#[tokio::test]
async fn a_place_is_free_again_when_a_legacy_client_cancels() {
    let (upstream, gateway) = under(json!([{ "per": "tool", "concurrency": 1 }])).await;
    let client = Legacy::open(&gateway).await;
    let call = client.begin_call(1, "echo", "{}").await;
    let _arrived = upstream.take("tools/call").await;
    client.call(2, "echo", "{}").await.refused(429, 1004).await;
    client.tell("notifications/cancelled", r#""requestId":1"#).await;
    gateway.metric("myelin_requests_in_flight", "0").await;
    calls(&upstream, client.begin_call(3, "echo", "{}").await).await;
    drop(call);
}

#[tokio::test]
async fn a_legacy_clients_call_counts_once_however_often_its_server_asks() {
    let (upstream, gateway) = under(json!([{ "per": "tool", "rate": "1/h" }])).await;
    let client = Legacy::open_with(&gateway, "2025-11-25", r#"{"elicitation":{}}"#).await;
    let call = client.begin_call(1, "echo", "{}").await;
    let form = r#"{"message":"Name?","requestedSchema":{"type":"object","properties":{}}}"#;
    let asks = format!(
        r#"{{"resultType":"input_required","requestState":"s","inputRequests":{{"who":{{"method":"elicitation/create","params":{form}}}}}}}"#
    );
    upstream.take("tools/call").await.result(&asks).await;
    let mut stream = call.answer().await;
    let question = stream.message().await;
    client.reply(&question["id"], r#"{"action":"accept","content":{}}"#).await;
    upstream.take("tools/call").await.text_result("done").await;
    let response = stream.response().await;
    assert_eq!(response["result"]["content"][0]["text"], "done", "{response}");
    client.call(2, "echo", "{}").await.refused(429, 1004).await;
}

#[tokio::test]
async fn principals_do_not_share_a_bucket_and_members_of_a_group_do() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["auth"] = json!({ "apiKeys": [
        { "id": "alice", "token": ALICE, "groups": ["team"] },
        { "id": "bob", "token": BOB, "groups": ["team"] },
    ] });
    settings["limits"] = json!([{ "per": "principal", "rate": "1/h" }]);
    let gateway = Gateway::start(settings.clone()).await;
    assert_eq!(list_as(&gateway, ALICE).await.status, 200);
    list_as(&gateway, ALICE).await.refused(429, 1004).await;
    assert_eq!(list_as(&gateway, BOB).await.status, 200);
    // Other limits hold from the reload on.
    settings["limits"] = json!([{ "per": "group", "match": "te?m", "rate": "1/h" }]);
    gateway.rewrite(settings);
    gateway.signal(rustix::process::Signal::HUP);
    gateway.metric("myelin_config_reloads_total{result=\"ok\"}", "1").await;
    assert_eq!(list_as(&gateway, ALICE).await.status, 200);
    let refused = list_as(&gateway, BOB).await.refused(429, 1004).await;
    assert_eq!(refused["error"]["data"]["policy"], "group-1");
}

#[tokio::test]
async fn a_combination_counts_each_tuple_and_is_told_as_a_list() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["auth"] = json!({ "apiKeys": [{ "id": "alice", "token": ALICE }, { "id": "bob", "token": BOB }] });
    settings["limits"] = json!([{ "per": ["principal", "endpoint"], "match": { "principal": "al*" }, "rate": "1/h" }]);
    let gateway = Gateway::start(settings).await;
    assert_eq!(list_as(&gateway, ALICE).await.status, 200);
    let refused = list_as(&gateway, ALICE).await;
    assert_eq!(header(&refused, "ratelimit-policy"), r#""principal-endpoint-1";q=1;w=3600"#);
    let data = refused.refused(429, 1004).await["error"]["data"].clone();
    assert_eq!(data["per"], json!(["principal", "endpoint"]));
    for _ in 0..3 {
        assert_eq!(list_as(&gateway, BOB).await.status, 200);
    }
    gateway.metric("myelin_refused_by_limit_total{limit=\"combined\"}", "1").await;
}

#[tokio::test]
async fn a_used_up_quota_says_when_the_next_day_begins() {
    let (_upstream, gateway) = under(json!([{ "per": "principal", "quota": "1/day" }])).await;
    let client = Modern::of(&gateway);
    assert_eq!(client.send(1, "tools/list", "").await.status, 200);
    let refused = client.send(2, "tools/list", "").await;
    assert_eq!(header(&refused, "ratelimit-policy"), r#""principal-1";q=1;w=86400"#);
    let seconds: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    let data = refused.refused(429, 1004).await["error"]["data"].clone();
    let resets = data["resets"].as_str().unwrap();
    assert!(resets.len() == 20 && resets.ends_with("T00:00:00Z"), "{resets}");
    assert_eq!(data["limit"], "1 a day per principal");
}

#[tokio::test]
async fn a_call_waits_for_a_place_and_leaves_the_queue_with_its_client() {
    let queue = json!({ "max": 2, "wait": "10m" });
    let (upstream, gateway) = under(json!([{ "per": "tool", "concurrency": 1, "queue": queue }])).await;
    let client = Modern::of(&gateway);
    let first = client.begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    let gone = client.begin_call(2, "echo", "{}").await;
    gateway.metric("myelin_limit_waiting", "1").await;
    let last = client.begin_call(3, "echo", "{}").await;
    gateway.metric("myelin_limit_waiting", "2").await;
    client.call(4, "echo", "{}").await.refused(429, 1004).await;
    drop(gone);
    gateway.metric("myelin_limit_waiting", "1").await;
    arrived.text_result("done").await;
    assert_eq!(first.answer().await.status, 200);
    calls(&upstream, last).await;
    assert_eq!(upstream.count("tools/call"), 2);
}

#[tokio::test]
async fn the_deadline_of_a_queue_refuses_in_both_eras() {
    let queue = json!({ "wait": "50ms" });
    let rules = json!([{ "per": "endpoint", "match": "/mcp", "rate": "2/h", "burst": 2, "queue": queue }]);
    let (upstream, gateway) = under(rules).await;
    let client = Legacy::open(&gateway).await;
    calls(&upstream, client.begin_call(1, "echo", "{}").await).await;
    let refused = client.call(2, "echo", "{}").await;
    assert_eq!(header(&refused, "ratelimit-policy"), r#""endpoint-1";q=2;w=3600"#);
    assert!(header(&refused, "retry-after").parse::<u64>().unwrap() > 0);
    refused.refused(429, 1004).await;
    Modern::of(&gateway).send(3, "tools/list", "").await.refused(429, 1004).await;
    gateway.metric("myelin_limit_waiting", "0").await;
}

#[tokio::test]
async fn a_legacy_client_that_cancels_leaves_the_queue() {
    let (upstream, gateway) = under(json!([{ "per": "tool", "concurrency": 1, "queue": { "wait": "10m" } }])).await;
    let client = Legacy::open(&gateway).await;
    let first = client.begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    let _waits = client.begin_call(2, "echo", "{}").await;
    gateway.metric("myelin_limit_waiting", "1").await;
    client.tell("notifications/cancelled", r#""requestId":2"#).await;
    gateway.metric("myelin_limit_waiting", "0").await;
    arrived.text_result("done").await;
    assert_eq!(first.answer().await.status, 200);
    calls(&upstream, client.begin_call(3, "echo", "{}").await).await;
}

#[tokio::test]
async fn a_quota_goes_on_where_it_was_after_a_restart_and_after_a_kill() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let state = tempfile::TempDir::new().unwrap();
    let mut settings = config(&[("up", &upstream)]);
    settings["limits"] = json!([{ "per": "principal", "quota": "4/month" }]);
    settings["auth"] = json!({ "apiKeys": [{ "id": "alice", "token": ALICE }, { "id": "bob", "token": BOB }] });
    settings["stateDir"] = json!(state.path());
    settings["sealing"] = json!({ "keys": ["a-sealing-key-of-enough-characters-0123"] });
    let gateway = Gateway::start(settings.clone()).await;
    for _ in 0..2 {
        assert_eq!(list_as(&gateway, ALICE).await.status, 200);
    }
    gateway.stop().await;
    let file = state.path().join("quotas.json");
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(!written.contains("alice") && written.contains("\"count\":2"), "{written}");
    let gateway = Gateway::start(settings.clone()).await;
    assert_eq!(list_as(&gateway, ALICE).await.status, 200);
    crate::kit::until("it is written down while the gateway runs", || {
        std::fs::read_to_string(&file).unwrap().contains("\"count\":3")
    })
    .await;
    // Killed without a word.
    drop(gateway);
    let gateway = Gateway::start(settings).await;
    assert_eq!(list_as(&gateway, ALICE).await.status, 200);
    assert_eq!(list_as(&gateway, ALICE).await.status, 429);
    assert_eq!(list_as(&gateway, BOB).await.status, 200);
}
