//! Several replicas of one server, and when one of them or the whole server is left alone.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::kit::{Era, Gateway, Legacy, Modern, Upstream, Wire, config, never, soon, text, until};

/// Replicas that answer each call with their number.
struct Replicas {
    all: Vec<Upstream>,
    answering: JoinSet<()>,
}

impl Replicas {
    async fn of(era: Era, count: usize) -> Self {
        let mut replicas = Self { all: Vec::new(), answering: JoinSet::new() };
        for number in 0..count {
            let upstream = Upstream::new(era, Wire::Http).await;
            replicas.all.push(upstream.clone());
            replicas.answering.spawn(async move {
                loop {
                    upstream.next("tools/call").await.text_result(&number.to_string()).await;
                }
            });
        }
        replicas
    }

    /// A gateway over them as one server called `up`.
    async fn behind(&self, change: Value) -> Gateway {
        let mut settings = config(&[("up", &self.all[0])]);
        let urls: Vec<String> = self.all.iter().map(|one| format!("http://{}/mcp", one.address())).collect();
        settings["mcpServers"]["up"] = json!({ "urls": urls, "health": { "check": "off" } });
        for (key, value) in change.as_object().unwrap() {
            settings["mcpServers"]["up"][key] = value.clone();
        }
        Gateway::start(settings).await
    }
}

async fn replicas_are(gateway: &Gateway, condition: &str, count: usize) {
    let name = format!(r#"myelin_upstream_replicas{{server="up",condition="{condition}"}}"#);
    gateway.metric(&name, &count.to_string()).await;
}

#[tokio::test]
async fn calls_go_on_when_a_replica_dies_and_none_is_lost() {
    let replicas = Replicas::of(Era::Modern, 2).await;
    let gateway = replicas.behind(json!({ "retry": { "calls": "off" } })).await;
    let client = Modern::of(&gateway);
    let at: usize = text(client.call(0, "echo", "{}").await).await.parse().unwrap();
    replicas.all[at].stop().await;
    for id in 0..30 {
        assert_eq!(text(client.call(id, "echo", "{}").await).await, (1 - at).to_string());
    }
    replicas_are(&gateway, "ejected", 1).await;
    assert!(gateway.log().contains("a replica failed again and again"), "operators are told");
}

#[tokio::test]
async fn a_session_stays_on_its_replica_and_moves_when_that_is_gone() {
    let replicas = Replicas::of(Era::Legacy, 2).await;
    let gateway = replicas.behind(json!({ "pool": { "isolation": "session" }, "retry": { "calls": "off" } })).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let client = Legacy::open(&gateway).await;
        let at = text(client.call(1, "echo", "{}").await).await;
        clients.push((client, at));
    }
    let on_first = clients.iter().filter(|(_, at)| at == "0").count();
    assert_eq!(on_first, 2, "sessions are spread");
    for (client, at) in &clients {
        for id in 2..6 {
            assert_eq!(text(client.call(id, "echo", "{}").await).await, *at);
        }
    }
    replicas.all[0].stop().await;
    for (client, _) in &clients {
        assert_eq!(text(client.call(9, "echo", "{}").await).await, "1");
    }
    gateway.metric(r#"myelin_upstream_session_renewals_total{server="up"}"#, "2").await;
}

#[tokio::test]
async fn a_replica_that_does_not_answer_when_it_is_looked_at_gets_no_calls_until_it_does() {
    let replicas = Replicas::of(Era::Modern, 2).await;
    let looks = json!({ "interval": "100ms", "timeout": "300ms", "unhealthyAfter": 2, "healthyAfter": 1 });
    let gateway = replicas.behind(json!({ "health": looks })).await;
    let client = Modern::of(&gateway);
    assert_eq!(client.call(0, "echo", "{}").await.status, 200);
    replicas.all[0].takes("server/discover");
    replicas_are(&gateway, "unhealthy", 1).await;
    for id in 0..20 {
        assert_eq!(text(client.call(id, "echo", "{}").await).await, "1");
    }
    replicas.all[0].leaves("server/discover");
    replicas_are(&gateway, "healthy", 2).await;
}

#[tokio::test]
async fn looks_at_legacy_replicas_keep_one_session_each_and_end_it() {
    let replicas = Replicas::of(Era::Legacy, 2).await;
    let looks = json!({ "interval": "100ms", "timeout": "5s" });
    let gateway = replicas.behind(json!({ "health": looks })).await;
    assert_eq!(Modern::of(&gateway).call(0, "echo", "{}").await.status, 200);
    for replica in &replicas.all {
        until("it is pinged again and again", || replica.count("ping") > 10).await;
    }
    let sessions = || replicas.all.iter().map(|replica| replica.count("initialize")).sum::<usize>();
    assert_eq!(sessions(), 3, "one for the call, and one for the looks at each");
    gateway.stop().await;
    let ended = || replicas.all.iter().map(|replica| replica.lines("DELETE")).sum::<usize>();
    assert_eq!(ended(), 3);
}

/// A gateway in front of one server that is left alone after three failures.
async fn fragile(upstream: &Upstream, time: &str) -> Gateway {
    let mut settings = config(&[("up", upstream)]);
    settings["mcpServers"]["up"]["breaker"] = json!({ "failures": 3, "time": time, "maxTime": time });
    settings["mcpServers"]["up"]["retry"] = json!({ "calls": "off" });
    Gateway::start(settings).await
}

async fn fails(gateway: &Gateway, upstream: &Upstream, status: u16, headers: &str) -> Value {
    let call = Modern::of(gateway).begin_call(1, "echo", "{}").await;
    upstream.take("tools/call").await.respond(status, headers, "").await;
    call.answer().await.refused(200, 1001).await
}

#[tokio::test]
async fn a_server_that_fails_is_left_alone_and_callers_hear_when_to_come_back() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = fragile(&upstream, "1h").await;
    for _ in 0..3 {
        fails(&gateway, &upstream, 500, "").await;
    }
    let refused = Modern::of(&gateway).call(1, "echo", "{}").await.refused(200, 1001).await;
    let after = refused["error"]["data"]["retryAfterMs"].as_u64().unwrap();
    assert!((2_800_000..=3_600_000).contains(&after), "an hour, less a fifth at the most: {refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("is left alone; call again in"), "{refused}");
    never("it is called", Duration::from_millis(200), upstream.next("tools/call")).await;
    gateway.metric(r#"myelin_upstream_breaker{server="up",state="open"}"#, "1").await;
    gateway.metric(r#"myelin_upstream_left_alone_total{server="up"}"#, "1").await;
}

#[tokio::test]
async fn a_server_that_is_back_is_called_again_after_one_call_that_shows_it() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = fragile(&upstream, "300ms").await;
    for _ in 0..3 {
        fails(&gateway, &upstream, 500, "").await;
    }
    let back = async {
        loop {
            let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
            let answer = call.answer();
            tokio::pin!(answer);
            tokio::select! {
                mut arrived = upstream.next("tools/call") => {
                    // While it is under way, nobody else is let through.
                    Modern::of(&gateway).call(2, "echo", "{}").await.refused(200, 1001).await;
                    arrived.text_result("back").await;
                    return text(answer.await).await;
                }
                refused = &mut answer => drop(refused.refused(200, 1001).await),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(soon("the server is tried", back).await, "back");
    gateway.metric(r#"myelin_upstream_breaker{server="up",state="closed"}"#, "1").await;
    let call = Modern::of(&gateway).begin_call(3, "echo", "{}").await;
    upstream.take("tools/call").await.text_result("as before").await;
    assert_eq!(text(call.answer().await).await, "as before");
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it_and_callers_hear_of_it() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = fragile(&upstream, "1h").await;
    let told = fails(&gateway, &upstream, 429, "retry-after: 7\r\n").await;
    assert_eq!(told["error"]["data"], json!({ "server": "up", "retryAfterMs": 7000 }), "{told}");
    let refused = Modern::of(&gateway).call(1, "echo", "{}").await.refused(200, 1001).await;
    assert!(refused["error"]["data"]["retryAfterMs"].as_u64().unwrap() <= 7000, "{refused}");
    assert_eq!(upstream.count("tools/call"), 1, "it is not called before");
}

#[tokio::test]
async fn one_user_s_token_that_fails_leaves_nobody_else_without_the_server() {
    let (alice, bob) = ("token-of-alice-0123456789", "token-of-bob-0123456789ab");
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["auth"] = json!({ "apiKeys": [{ "id": "alice", "token": alice }, { "id": "bob", "token": bob }] });
    settings["mcpServers"]["up"]["auth"] = json!("passthrough");
    settings["mcpServers"]["up"]["breaker"] = json!({ "failures": 3, "time": "1h", "maxTime": "1h" });
    settings["mcpServers"]["up"]["retry"] = json!({ "calls": "off" });
    let gateway = Gateway::start(settings).await;
    for status in [401, 500, 401] {
        let call = Modern::of(&gateway).bearing(alice).begin_call(1, "echo", "{}").await;
        upstream.take("tools/call").await.respond(status, "", "").await;
        call.answer().await.refused(200, 1001).await;
    }
    let refused = Modern::of(&gateway).bearing(alice).call(1, "echo", "{}").await.refused(200, 1001).await;
    assert!(refused["error"]["data"]["retryAfterMs"].is_u64(), "{refused}");
    for id in 0..5 {
        let call = Modern::of(&gateway).bearing(bob).begin_call(id, "echo", "{}").await;
        upstream.take("tools/call").await.text_result("his").await;
        assert_eq!(text(call.answer().await).await, "his");
    }
    gateway.metric(r#"myelin_upstream_breaker{server="up",state="closed"}"#, "1").await;
    gateway.metric(r#"myelin_upstream_troubled_principals{server="up"}"#, "1").await;
}
