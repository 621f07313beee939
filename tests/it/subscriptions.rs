//! Changes: of a server's lists and resources, and of the configuration, on the streams of both eras.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kit::{Answer, Catalog, Era, Gateway, Legacy, Modern, Upstream, Wire, config, names, never, soon, tool};

const EVERYWHERE: [(Era, Wire); 4] =
    [(Era::Modern, Wire::Http), (Era::Legacy, Wire::Http), (Era::Modern, Wire::Stdio), (Era::Legacy, Wire::Stdio)];
const ALL: &str = r#""notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}"#;
const TAG: &str = "io.modelcontextprotocol/subscriptionId";

/// Listens, and checks that the acknowledgement comes first.
async fn listen(gateway: &Gateway, id: &str, members: &str) -> (Answer, Value) {
    let mut stream = Modern::of(gateway).send(id, "subscriptions/listen", members).await;
    assert!(stream.is_stream());
    let acknowledged = stream.message().await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    assert_eq!(acknowledged["params"]["_meta"][TAG].to_string(), id);
    let granted = acknowledged["params"]["notifications"].clone();
    (stream, granted)
}

/// A gateway that has reached its server: whatever a first contact changes is over.
async fn settled(upstream: &Upstream) -> Gateway {
    let gateway = Gateway::over(upstream).await;
    Modern::of(&gateway).send(1, "tools/list", "").await.response().await;
    gateway
}

#[tokio::test]
async fn a_change_of_a_list_reaches_modern_listens_and_legacy_streams() {
    for (era, wire) in EVERYWHERE {
        let upstream = Upstream::new(era, wire).await;
        let gateway = settled(&upstream).await;
        let (mut first, granted) = listen(&gateway, "7", ALL).await;
        assert_eq!(granted["toolsListChanged"], true);
        let (mut second, _) = listen(&gateway, r#""7""#, ALL).await;
        let mut own = Legacy::open(&gateway).await.stream(None).await;
        upstream.is_heard_by(1).await;
        for kind in ["tools", "prompts", "resources"] {
            let method = format!("notifications/{kind}/list_changed");
            upstream.tell(&method, "").await;
            for (stream, tag) in [(&mut first, json!(7)), (&mut second, json!("7"))] {
                let told = stream.message().await;
                assert_eq!(
                    (&told["method"], &told["params"]["_meta"][TAG]),
                    (&json!(method), &tag),
                    "{era:?} {wire:?}"
                );
            }
            let told = own.message().await;
            assert_eq!((&told["method"], told["params"].get("_meta")), (&json!(method), None), "{era:?} {wire:?}");
        }
    }
}

#[tokio::test]
async fn a_listener_hears_only_what_it_asked_for() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = settled(&upstream).await;
    let (mut stream, granted) = listen(&gateway, "1", r#""notifications":{"promptsListChanged":true}"#).await;
    assert_eq!(granted, json!({ "promptsListChanged": true }));
    upstream.is_heard_by(1).await;
    upstream.tell("notifications/tools/list_changed", "").await;
    upstream.tell("notifications/resources/updated", r#""uri":"it://one""#).await;
    never("an unwanted notice", Duration::from_millis(300), stream.message_text()).await;
    upstream.tell("notifications/prompts/list_changed", "").await;
    assert_eq!(stream.message().await["method"], "notifications/prompts/list_changed");
}

#[tokio::test]
async fn updates_of_a_resource_reach_those_who_subscribed_to_it() {
    for (era, wire) in EVERYWHERE {
        let upstream = Upstream::new(era, wire).await;
        let gateway = settled(&upstream).await;
        let (mut modern, granted) =
            listen(&gateway, "1", r#""notifications":{"resourceSubscriptions":["it://one"]}"#).await;
        assert_eq!(granted["resourceSubscriptions"], json!(["it://one"]), "{era:?} {wire:?}");
        let (legacy, other) = (Legacy::open(&gateway).await, Legacy::open(&gateway).await);
        let (mut own, mut others) = (legacy.stream(None).await, other.stream(None).await);
        let subscribed = legacy.send(1, "resources/subscribe", r#""uri":"it://one""#).await.response().await;
        assert_eq!(subscribed["result"], json!({}), "{subscribed}");
        upstream.is_heard_by(1).await;
        upstream.tell("notifications/resources/updated", r#""uri":"it://one""#).await;
        for stream in [&mut modern, &mut own] {
            let told = stream.message().await;
            assert_eq!(
                (&told["method"], &told["params"]["uri"]),
                (&json!("notifications/resources/updated"), &json!("it://one"))
            );
        }
        never("an update for another", Duration::from_millis(200), others.message_text()).await;
        let gone = legacy.send(2, "resources/unsubscribe", r#""uri":"it://one""#).await.response().await;
        assert_eq!(gone["result"], json!({}));
        upstream.tell("notifications/resources/updated", r#""uri":"it://one""#).await;
        modern.message().await;
        never("an update after the end", Duration::from_millis(200), own.message_text()).await;
    }
}

#[tokio::test]
async fn a_resource_that_nobody_has_is_not_granted() {
    let (first, second) = (Upstream::new(Era::Modern, Wire::Http).await, Upstream::new(Era::Legacy, Wire::Stdio).await);
    let gateway = Gateway::start(config(&[("first", &first), ("second", &second)])).await;
    let (_stream, granted) = listen(&gateway, "1", r#""notifications":{"resourceSubscriptions":["it://none"]}"#).await;
    assert!(granted["resourceSubscriptions"].as_array().is_none_or(Vec::is_empty), "{granted}");
    let refused =
        Legacy::open(&gateway).await.send(1, "resources/subscribe", r#""uri":"it://none""#).await.response().await;
    assert!(refused["error"]["code"].is_i64(), "{refused}");
}

#[tokio::test]
async fn a_reload_that_adds_and_removes_servers_is_told_once_on_live_streams() {
    let named = |name: &str| Catalog { tools: vec![tool(name)], ..Catalog::default() };
    let first = Upstream::offering(Era::Modern, Wire::Http, named("a")).await;
    let second = Upstream::offering(Era::Legacy, Wire::Stdio, named("b")).await;
    let gateway = Gateway::start(config(&[("first", &first)])).await;
    let legacy = Legacy::open(&gateway).await;
    Modern::of(&gateway).send(1, "tools/list", "").await.response().await;
    let mut own = legacy.stream(None).await;
    let (mut listening, _) = listen(&gateway, "1", r#""notifications":{"toolsListChanged":true}"#).await;
    gateway.rewrite(config(&[("second", &second), ("first", &first)]));
    gateway.signal(Signal::HUP);
    for stream in [&mut listening, &mut own] {
        while stream.message().await["method"] != "notifications/tools/list_changed" {}
        let more = tokio::time::timeout(Duration::from_millis(500), stream.message()).await;
        assert!(!more.is_ok_and(|more| more["method"] == "notifications/tools/list_changed"), "one notice is enough");
    }
    let listed = legacy.send(2, "tools/list", "").await.response().await;
    assert_eq!(names(&listed, "tools"), ["b", "a"]);
    // The server that stayed was not started anew.
    assert_eq!(first.count("server/discover"), 1);
    gateway.rewrite(config(&[("second", &second)]));
    gateway.signal(Signal::HUP);
    while listening.message().await["method"] != "notifications/tools/list_changed" {}
    let listed = Modern::of(&gateway).send(3, "tools/list", "").await.response().await;
    assert_eq!(names(&listed, "tools"), ["b"]);
    Modern::of(&gateway).call(4, "a", "{}").await.refused(200, -32602).await;
}

#[tokio::test]
async fn a_changed_file_is_read_without_a_signal() {
    let named = |name: &str| Catalog { tools: vec![tool(name)], ..Catalog::default() };
    let first = Upstream::offering(Era::Modern, Wire::Http, named("a")).await;
    let second = Upstream::offering(Era::Modern, Wire::Http, named("b")).await;
    let gateway = Gateway::start(config(&[("first", &first)])).await;
    gateway.rewrite(config(&[("first", &first), ("second", &second)]));
    let reloaded = async {
        while names(&Modern::of(&gateway).send(1, "tools/list", "").await.response().await, "tools") != ["a", "b"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("the new file is in force", reloaded).await;
}

#[tokio::test]
async fn a_call_in_flight_survives_the_removal_of_its_server() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = Upstream::new(Era::Modern, wire).await;
        let other = Upstream::new(Era::Modern, Wire::Http).await;
        let gateway = Gateway::over(&upstream).await;
        let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        gateway.rewrite(config(&[("other", &other)]));
        gateway.signal(Signal::HUP);
        gateway.metric(r#"myelin_config_reloads_total{result="ok"}"#, "1").await;
        arrived.text_result("to the end").await;
        assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "to the end");
        if wire == Wire::Stdio {
            arrived.is_given_up().await;
        }
    }
}

#[tokio::test]
async fn a_broken_file_is_refused_and_the_old_one_stays() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = settled(&upstream).await;
    for broken in ["{", r#"{"mcpServerz":{}}"#, r#"{"mcpServers":{"x":{}}}"#, ""] {
        gateway.rewrite_raw(broken);
        gateway.signal(Signal::HUP);
        let listed = Modern::of(&gateway).send(1, "tools/list", "").await.response().await;
        assert_eq!(names(&listed, "tools"), ["echo"]);
    }
    let refused = async {
        while !gateway.log().contains("the old one stays") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("the refusal is logged", refused).await;
    assert_eq!(names(&Modern::of(&gateway).send(1, "tools/list", "").await.response().await, "tools"), ["echo"]);
}

#[tokio::test]
async fn a_server_that_comes_back_is_heard_again() {
    for (era, wire) in [(Era::Modern, Wire::Http), (Era::Legacy, Wire::Http)] {
        let upstream = Upstream::new(era, wire).await;
        let gateway = settled(&upstream).await;
        let (mut stream, _) = listen(&gateway, "1", r#""notifications":{"toolsListChanged":true}"#).await;
        upstream.is_heard_by(1).await;
        upstream.hang_up_on_listeners().await;
        upstream.is_heard_by(1).await;
        upstream.tell("notifications/tools/list_changed", "").await;
        assert_eq!(stream.message().await["method"], "notifications/tools/list_changed");
    }
}
