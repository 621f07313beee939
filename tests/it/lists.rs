//! Joined lists: whole, in order, in time, filtered, paged, and kept for as long as they may be.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::{Catalog, Era, Gateway, Legacy, Modern, Upstream, Wire, config, names, never, soon, tool};

fn offering(tools: &[&str]) -> Catalog {
    Catalog { tools: tools.iter().map(|name| tool(name)).collect(), ..Catalog::default() }
}

async fn list(gateway: &Gateway) -> Value {
    Modern::of(gateway).send(1, "tools/list", "").await.response().await
}

#[tokio::test]
async fn every_page_of_a_paging_server_is_followed_in_order() {
    for (era, wire) in
        [(Era::Modern, Wire::Http), (Era::Legacy, Wire::Http), (Era::Modern, Wire::Stdio), (Era::Legacy, Wire::Stdio)]
    {
        let wanted: Vec<String> = (0..25).map(|number| format!("t{:02}", 24 - number)).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let upstream = Upstream::offering(era, wire, Catalog { page: 4, ..offering(&wanted) }).await;
        let gateway = Gateway::over(&upstream).await;
        assert_eq!(names(&list(&gateway).await, "tools"), wanted);
        assert_eq!(upstream.count("tools/list"), 7, "one request for each page");
        let legacy = Legacy::open(&gateway).await.send(1, "tools/list", "").await.response().await;
        assert_eq!(names(&legacy, "tools"), wanted);
    }
}

#[tokio::test]
async fn a_server_whose_cursors_run_in_a_circle_does_not_hold_the_list() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    upstream.takes("tools/list");
    let gateway = Gateway::over(&upstream).await;
    let client = Modern::of(&gateway);
    let listing = tokio::spawn(async move { client.send(1, "tools/list", "").await.response().await });
    for _ in 0..2 {
        let page = format!(
            r#"{{"resultType":"complete","tools":[{}],"nextCursor":"again","ttlMs":0,"cacheScope":"public"}}"#,
            tool("one")
        );
        upstream.take("tools/list").await.result(&page).await;
    }
    assert!(names(&listing.await.unwrap(), "tools").contains(&"one".to_owned()));
}

#[tokio::test]
async fn names_are_prefixed_in_the_order_of_the_servers_and_calls_find_their_server() {
    let (first, second) = (
        Upstream::offering(Era::Modern, Wire::Http, offering(&["x", "y"])).await,
        Upstream::offering(Era::Legacy, Wire::Http, offering(&["x"])).await,
    );
    let mut settings = config(&[("beta", &first), ("alpha", &second)]);
    settings["endpoints"] = json!({ "/mcp": { "servers": ["beta", "alpha"], "names": "prefixed" } });
    let gateway = Gateway::start(settings).await;
    for _ in 0..3 {
        assert_eq!(names(&list(&gateway).await, "tools"), ["beta__x", "beta__y", "alpha__x"]);
    }
    let call = Modern::of(&gateway).begin_call(1, "alpha__x", "{}").await;
    let mut arrived = second.take("tools/call").await;
    assert_eq!(arrived.params()["name"], "x");
    arrived.text_result("from alpha").await;
    assert_eq!(call.answer().await.status, 200);
    Modern::of(&gateway).call(1, "x", "{}").await.refused(200, -32602).await;
    let prompt = Modern::of(&gateway).begin(1, "prompts/get", r#""name":"beta__greet""#).await;
    let mut arrived = first.take("prompts/get").await;
    assert_eq!((arrived.params()["name"].as_str(), arrived.header("mcp-name")), (Some("greet"), Some("greet")));
    arrived.result(r#"{"messages":[]}"#).await;
    assert_eq!(prompt.answer().await.status, 200);
}

#[tokio::test]
async fn long_names_are_cut_to_sixty_four_characters_and_still_called() {
    let long = ["a".repeat(80), format!("{}b", "a".repeat(79)), "c".repeat(64)];
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let upstream = Upstream::offering(Era::Modern, Wire::Http, offering(&long)).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["endpoints"]["/mcp"]["names"] = json!("prefixed");
    let gateway = Gateway::start(settings).await;
    let offered = names(&list(&gateway).await, "tools");
    assert_eq!(offered.len(), 3);
    for (offered, own) in offered.iter().zip(long) {
        assert_eq!(offered.len(), 64, "{offered}");
        let call = Modern::of(&gateway).begin_call(1, offered, "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        assert_eq!(arrived.params()["name"], own);
        arrived.text_result("found").await;
        assert_eq!(call.answer().await.status, 200);
    }
}

#[tokio::test]
async fn of_two_equal_bare_names_the_first_servers_is_offered_and_called() {
    let (first, second) = (
        Upstream::offering(Era::Modern, Wire::Http, offering(&["same"])).await,
        Upstream::offering(Era::Modern, Wire::Http, offering(&["same", "own"])).await,
    );
    let mut settings = config(&[("first", &first), ("second", &second)]);
    settings["endpoints"]["/mcp"]["servers"] = json!(["first", "second"]);
    let gateway = Gateway::start(settings).await;
    assert_eq!(names(&list(&gateway).await, "tools"), ["same", "own"]);
    let call = Modern::of(&gateway).begin_call(1, "same", "{}").await;
    first.take("tools/call").await.text_result("first").await;
    assert_eq!(call.answer().await.status, 200);
    assert_eq!(second.count("tools/call"), 0);
}

#[tokio::test]
async fn what_is_not_offered_cannot_be_called_either() {
    let upstream =
        Upstream::offering(Era::Modern, Wire::Http, offering(&["web_get", "web_admin", "shell", "old"])).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["tools"] =
        json!({ "allow": ["web_*", "old"], "deny": ["*_admin"], "rename": { "old": "new" } });
    let gateway = Gateway::start(settings).await;
    assert_eq!(names(&list(&gateway).await, "tools"), ["web_get", "new"]);
    for hidden in ["web_admin", "shell", "old", "up__shell", "up__web_get"] {
        Modern::of(&gateway).call(1, hidden, "{}").await.refused(200, -32602).await;
        Legacy::open(&gateway).await.call(1, hidden, "{}").await.refused(200, -32602).await;
    }
    let call = Modern::of(&gateway).begin_call(1, "new", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    assert_eq!((arrived.params()["name"].as_str(), arrived.header("mcp-name")), (Some("old"), Some("old")));
    arrived.text_result("renamed").await;
    assert_eq!(call.answer().await.status, 200);
    assert_eq!(upstream.count("tools/call"), 1);
}

#[tokio::test]
async fn dead_and_hanging_servers_are_left_out_in_time_and_named() {
    let sane = Upstream::offering(Era::Modern, Wire::Http, offering(&["sane"])).await;
    let hanging = Upstream::new(Era::Modern, Wire::Http).await;
    hanging.takes("tools/list");
    let silent = Upstream::new(Era::Modern, Wire::Stdio).await;
    silent.takes("server/discover");
    silent.takes("initialize");
    let mut settings = config(&[("sane", &sane), ("hanging", &hanging), ("silent", &silent)]);
    settings["mcpServers"]["dead"] = json!({ "command": "/no/such/program" });
    settings["endpoints"]["/mcp"]["servers"] = json!(["sane", "hanging", "silent", "dead"]);
    settings["lists"] = json!({ "deadline": "500ms" });
    let gateway = Gateway::start(settings).await;
    for _ in 0..2 {
        let listed = tokio::time::timeout(Duration::from_secs(3), list(&gateway)).await.expect("in time");
        assert_eq!(names(&listed, "tools"), ["sane"]);
        assert_eq!(listed["result"]["_meta"]["myelin/missing"], json!(["hanging", "silent", "dead"]), "{listed}");
        assert_eq!((&listed["result"]["ttlMs"], &listed["result"]["cacheScope"]), (&json!(0), &json!("private")));
    }
    // When the server answers at last, its part is there without another request to it.
    let asked = hanging.count("tools/list");
    let page = format!(r#"{{"tools":[{}],"resultType":"complete","ttlMs":60000,"cacheScope":"public"}}"#, tool("late"));
    hanging.take("tools/list").await.result(&page).await;
    let arrived = async {
        while names(&list(&gateway).await, "tools") != ["sane", "late"] {
            tokio::task::yield_now().await;
        }
    };
    soon("the late part", arrived).await;
    assert_eq!(hanging.count("tools/list"), asked);
}

#[tokio::test]
async fn a_list_is_kept_for_as_long_as_its_server_allows() {
    let upstream = Upstream::offering(Era::Modern, Wire::Http, Catalog { ttl_ms: 60_000, ..offering(&["a"]) }).await;
    let gateway = Gateway::over(&upstream).await;
    let first = list(&gateway).await;
    assert_eq!(first["result"]["cacheScope"], "public");
    let left = first["result"]["ttlMs"].as_u64().unwrap();
    assert!((1..=60_000).contains(&left), "{left}");
    for _ in 0..5 {
        list(&gateway).await;
        Legacy::open(&gateway).await.send(1, "tools/list", "").await;
    }
    assert_eq!(upstream.count("tools/list"), 1);
    upstream.change(|catalog| {
        catalog.ttl_ms = 0;
        catalog.scope = "private";
        catalog.tools.push(tool("b"));
    });
    upstream.is_heard_by(1).await;
    upstream.tell("notifications/tools/list_changed", "").await;
    let renewed = async {
        while names(&list(&gateway).await, "tools") != ["a", "b"] {
            tokio::task::yield_now().await;
        }
    };
    soon("list_changed makes the list stale", renewed).await;
    let asked = upstream.count("tools/list");
    let listed = list(&gateway).await;
    assert_eq!((&listed["result"]["ttlMs"], &listed["result"]["cacheScope"]), (&json!(0), &json!("private")));
    assert_eq!(upstream.count("tools/list"), asked + 1, "a time to live of 0 is stale at once");
}

#[tokio::test]
async fn a_crowd_that_asks_for_a_list_asks_the_server_once() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    upstream.takes("tools/list");
    let gateway = Gateway::over(&upstream).await;
    let client = Modern::of(&gateway);
    let crowd: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.send(1, "tools/list", "").await.response().await })
        })
        .collect();
    let mut arrived = upstream.take("tools/list").await;
    never(
        "a second request",
        Duration::from_millis(200),
        upstream.take_if("another", |arrived| arrived.method() == "tools/list"),
    )
    .await;
    arrived
        .result(&format!(r#"{{"tools":[{}],"resultType":"complete","ttlMs":60000,"cacheScope":"public"}}"#, tool("a")))
        .await;
    for one in crowd {
        assert_eq!(names(&one.await.unwrap(), "tools"), ["a"]);
    }
    assert_eq!(upstream.count("tools/list"), 1);
}

#[tokio::test]
async fn lists_come_in_pages_behind_sealed_cursors() {
    let (first, second) = (
        Upstream::offering(Era::Modern, Wire::Http, offering(&["a", "b", "c"])).await,
        Upstream::offering(Era::Legacy, Wire::Stdio, offering(&["d", "e"])).await,
    );
    let mut settings = config(&[("first", &first), ("second", &second)]);
    settings["lists"] = json!({ "pageSize": 2 });
    settings["endpoints"]["/mcp"]["servers"] = json!(["first", "second"]);
    settings["endpoints"]["/b/mcp"] = json!({ "servers": ["first"] });
    let gateway = Gateway::start(settings).await;
    let (modern, legacy) = (Modern::of(&gateway), Legacy::open(&gateway).await);
    let mut cursors = Vec::new();
    for is_modern in [true, false] {
        let (mut seen, mut members) = (Vec::new(), String::new());
        loop {
            let answer = if is_modern {
                modern.send(1, "tools/list", &members).await
            } else {
                legacy.send(1, "tools/list", &members).await
            };
            let page = answer.response().await;
            seen.push(names(&page, "tools").join(""));
            let Some(cursor) = page["result"]["nextCursor"].as_str() else { break };
            assert!(!cursor.contains("first") && cursor.len() > 32, "a cursor says nothing: {cursor}");
            cursors.push(cursor.to_owned());
            members = format!(r#""cursor":"{cursor}""#);
        }
        assert_eq!(seen, ["ab", "cd", "e"]);
    }
    let mut altered = cursors[0].clone();
    altered.insert(10, 'A');
    for bad in ["", "nonsense", &altered] {
        let members = format!(r#""cursor":"{bad}""#);
        modern.send(1, "tools/list", &members).await.refused(200, -32602).await;
        legacy.send(1, "tools/list", &members).await.refused(200, -32602).await;
    }
    let own = format!(r#""cursor":"{}""#, cursors[0]);
    modern.send(1, "prompts/list", &own).await.refused(200, -32602).await;
    modern.clone().at("/b/mcp").send(1, "tools/list", &own).await.refused(200, -32602).await;
    modern.send(1, "tools/list", r#""cursor":7"#).await.refused(200, -32602).await;
}

#[tokio::test]
async fn endpoints_offer_their_own_servers_only() {
    let (first, second) = (
        Upstream::offering(Era::Modern, Wire::Http, offering(&["a"])).await,
        Upstream::offering(Era::Modern, Wire::Http, offering(&["b"])).await,
    );
    let mut settings = config(&[("first", &first), ("second", &second)]);
    settings["endpoints"] = json!({ "/one/mcp": { "servers": ["first"] }, "/two/mcp": { "servers": ["second"] } });
    let gateway = Gateway::start(settings).await;
    let (one, two) = (Modern::of(&gateway).at("/one/mcp"), Modern::of(&gateway).at("/two/mcp"));
    assert_eq!(names(&one.send(1, "tools/list", "").await.response().await, "tools"), ["a"]);
    assert_eq!(names(&two.send(1, "tools/list", "").await.response().await, "tools"), ["b"]);
    one.call(1, "b", "{}").await.refused(200, -32602).await;
    one.call(1, "second__b", "{}").await.refused(200, -32602).await;
    assert_eq!(second.count("tools/call"), 0);
}
