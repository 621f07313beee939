//! Prompts, resources, templates, completions, subscriptions, tasks and extensions follow the same rules.

use std::time::Duration;

use serde_json::{Value, json};

use super::{RESEARCH, SALES, as_legacy, as_modern, refusal, ruled, tools, under};
use crate::kit::{Catalog, Era, Gateway, Legacy, Upstream, Wire, names, never, tool};

fn shelf() -> Catalog {
    let resource = |uri: &str| json!({ "uri": uri, "name": uri }).to_string();
    Catalog {
        prompts: vec![r#"{"name":"open"}"#.to_owned(), r#"{"name":"secret"}"#.to_owned()],
        resources: vec![resource("it://public/a"), resource("it://private/b")],
        templates: vec![r#"{"uriTemplate":"it://public/{name}","name":"t"}"#.to_owned()],
        ..tools(&["echo"])
    }
}

fn rules() -> Value {
    json!([
        { "allow": "\"research\" in principal.groups" },
        { "allow": "true", "prompts": ["open"], "resources": ["it://public/*"] },
    ])
}

#[tokio::test]
async fn prompts_resources_and_templates_are_listed_and_read_by_those_who_may() {
    let (upstream, gateway) = under(shelf(), rules()).await;
    let listed = |method: &'static str, member: &'static str, token: &'static str| {
        let (modern, gateway) = (as_modern(&gateway, token), &gateway);
        async move {
            let key = match member {
                "prompts" => "name",
                "resources" => "uri",
                _ => "uriTemplate",
            };
            let seen = |list: &Value| {
                list["result"][member].as_array().unwrap().iter().map(|entry| entry[key].clone()).collect::<Vec<_>>()
            };
            let list = modern.send(1, method, "").await.response().await;
            let legacy = as_legacy(gateway, token).await.send(1, method, "").await.response().await;
            assert_eq!(seen(&list), seen(&legacy), "{method}");
            seen(&list)
        }
    };
    assert_eq!(listed("prompts/list", "prompts", RESEARCH).await, ["open", "secret"]);
    assert_eq!(listed("prompts/list", "prompts", SALES).await, ["open"]);
    assert_eq!(listed("resources/list", "resources", RESEARCH).await, ["it://public/a", "it://private/b"]);
    assert_eq!(listed("resources/list", "resources", SALES).await, ["it://public/a"]);
    assert_eq!(listed("resources/templates/list", "resourceTemplates", SALES).await, ["it://public/{name}"]);

    let (modern, legacy) = (as_modern(&gateway, SALES), as_legacy(&gateway, SALES).await);
    for (method, key, hidden, absent) in
        [("prompts/get", "name", "secret", "none"), ("resources/read", "uri", "it://private/b", "it://private/none")]
    {
        let of = |name: &str| format!(r#""{key}":"{name}""#);
        let told = refusal(modern.send(1, method, &of(hidden)).await, hidden).await;
        assert_eq!(told, refusal(modern.send(1, method, &of(absent)).await, absent).await, "{method}");
        let told = refusal(legacy.send(1, method, &of(hidden)).await, hidden).await;
        assert_eq!(told, refusal(legacy.send(1, method, &of(absent)).await, absent).await, "{method}");
        assert_eq!(upstream.count(method), 0, "the server heard of none");
    }
    let reading = modern.begin(2, "resources/read", r#""uri":"it://public/zzz""#).await;
    upstream
        .take("resources/read")
        .await
        .result(r#"{"contents":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#)
        .await;
    assert_eq!(reading.answer().await.status, 200);
}

#[tokio::test]
async fn completions_follow_what_they_are_about() {
    let (upstream, gateway) = under(shelf(), rules()).await;
    let (modern, legacy) = (as_modern(&gateway, SALES), as_legacy(&gateway, SALES).await);
    let of = |reference: &str| format!(r#""ref":{reference},"argument":{{"name":"x","value":"y"}}"#);
    let prompt = |name: &str| of(&format!(r#"{{"type":"ref/prompt","name":"{name}"}}"#));
    let told = refusal(modern.send(1, "completion/complete", &prompt("secret")).await, "secret").await;
    assert_eq!(told, refusal(modern.send(1, "completion/complete", &prompt("none")).await, "none").await);
    let told = refusal(legacy.send(1, "completion/complete", &prompt("secret")).await, "secret").await;
    assert_eq!(told, refusal(legacy.send(1, "completion/complete", &prompt("none")).await, "none").await);
    assert_eq!(upstream.count("completion/complete"), 0);
    for reference in [prompt("open"), of(r#"{"type":"ref/resource","uri":"it://public/{name}"}"#)] {
        let completing = modern.begin(2, "completion/complete", &reference).await;
        let mut arrived = upstream.take("completion/complete").await;
        arrived.result(r#"{"completion":{"values":["z"]},"resultType":"complete"}"#).await;
        assert_eq!(completing.answer().await.response().await["result"]["completion"]["values"], json!(["z"]));
    }
}

#[tokio::test]
async fn nobody_subscribes_to_or_hears_of_what_they_may_not_read() {
    let (upstream, gateway) = under(shelf(), rules()).await;
    as_modern(&gateway, SALES).send(1, "tools/list", "").await.response().await;
    let wanted = r#""notifications":{"resourceSubscriptions":["it://private/b","it://public/a","it://p"]}"#;
    let mut stream = as_modern(&gateway, SALES).send(9, "subscriptions/listen", wanted).await;
    let granted = stream.message().await["params"]["notifications"]["resourceSubscriptions"].clone();
    assert_eq!(granted, json!(["it://public/a"]));
    let legacy = as_legacy(&gateway, SALES).await;
    let told =
        refusal(legacy.send(1, "resources/subscribe", r#""uri":"it://private/b""#).await, "it://private/b").await;
    assert_eq!(
        told,
        refusal(legacy.send(1, "resources/subscribe", r#""uri":"it://private/none""#).await, "it://private/none").await
    );
    upstream.is_heard_by(1).await;
    upstream.tell("notifications/resources/updated", r#""uri":"it://private/b""#).await;
    upstream.tell("notifications/resources/updated", r#""uri":"it://public/a""#).await;
    assert_eq!(stream.message().await["params"]["uri"], "it://public/a", "the other one was not told");
}

#[tokio::test]
async fn changes_among_what_is_hidden_are_not_told() {
    let rules = json!([{ "allow": "true", "tools": ["seen_*"] }]);
    let (upstream, gateway) = under(tools(&["seen_a", "hidden_a"]), rules).await;
    let client = as_modern(&gateway, SALES);
    for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        client.send(1, method, "").await.response().await;
    }
    let mut stream = client
        .send(2, "subscriptions/listen", r#""notifications":{"toolsListChanged":true,"promptsListChanged":true}"#)
        .await;
    stream.message().await;
    upstream.is_heard_by(1).await;
    upstream.change(|catalog| catalog.tools.push(tool("hidden_b")));
    upstream.tell("notifications/tools/list_changed", "").await;
    upstream.tell("notifications/prompts/list_changed", "").await;
    never("a change that nobody here sees", Duration::from_millis(400), stream.message_text()).await;
    upstream.change(|catalog| catalog.tools.push(tool("seen_b")));
    upstream.tell("notifications/tools/list_changed", "").await;
    assert_eq!(stream.message().await["method"], "notifications/tools/list_changed");
    assert_eq!(names(&client.send(3, "tools/list", "").await.response().await, "tools"), ["seen_a", "seen_b"]);
}

#[tokio::test]
async fn methods_of_extensions_are_asked_by_their_names() {
    let rules = json!([{ "allow": "\"research\" in principal.groups", "methods": ["x/*"] }, { "allow": "true", "tools": ["*"] }]);
    let (upstream, gateway) = under(tools(&["echo"]), rules).await;
    let (rita, sam) = (as_modern(&gateway, RESEARCH), as_modern(&gateway, SALES));
    let asking = rita.begin(1, "x/run", "").await;
    upstream.take("x/run").await.result(r#"{"resultType":"complete"}"#).await;
    assert_eq!(asking.answer().await.status, 200);
    sam.send(2, "x/run", "").await.refused(404, -32601).await;
    rita.send(3, "y/run", "").await.refused(404, -32601).await;
    let (rita, sam) = (as_legacy(&gateway, RESEARCH).await, as_legacy(&gateway, SALES).await);
    sam.send(2, "x/run", "").await.refused(200, -32601).await;
    sam.tell("notifications/x/said", "").await;
    let asking = rita.begin_post(&Legacy::body(1, "x/run", "")).await;
    upstream.take("x/run").await.result("{}").await;
    assert_eq!(asking.answer().await.status, 200);
    assert_eq!(upstream.count("x/run"), 2);
}

#[tokio::test]
async fn a_task_is_its_callers_for_as_long_as_its_tool_is() {
    const DECLARED: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
    const FLAT: &str = r#""taskId":"t-1","status":"working","createdAt":"2026-11-22T10:00:00Z","lastUpdatedAt":"2026-11-22T10:00:00Z","ttlMs":60000,"pollIntervalMs":50"#;
    let catalog = Catalog { capabilities: r#","extensions":{"io.modelcontextprotocol/tasks":{}}"#, ..tools(&["slow"]) };
    let allowed = json!([{ "allow": "true", "tools": ["slow"] }]);
    let (upstream, gateway) = under(catalog, allowed.clone()).await;
    let client = as_modern(&gateway, SALES).capable(DECLARED);
    let calling = client.begin_call(1, "slow", "{}").await;
    upstream.take("tools/call").await.result(&format!(r#"{{"resultType":"task",{FLAT}}}"#)).await;
    let task = calling.answer().await.response().await["result"]["taskId"].as_str().unwrap().to_owned();
    let about = format!(r#""taskId":"{task}""#);
    let looking = client.begin(2, "tasks/get", &about).await;
    upstream.take("tasks/get").await.result(&format!(r#"{{"resultType":"complete",{FLAT}}}"#)).await;
    assert_eq!(looking.answer().await.status, 200);

    let taken = json!([{ "allow": "true", "tools": ["other"] }, { "allow": "true", "prompts": ["*"] }]);
    reload(&gateway, &upstream, taken, &client).await;
    let told = client.send(3, "tasks/get", &about).await;
    let told = told.text().await;
    assert!(told.contains("-32601") || told.contains("-32602"), "{told}");
    assert_eq!(upstream.count("tasks/get"), 1, "the server was not asked again");
}

/// Other rules, from the moment on that a client sees none of the tools.
async fn reload(gateway: &Gateway, upstream: &Upstream, rules: Value, client: &crate::kit::Modern) {
    gateway.rewrite(ruled(&[("up", upstream)], rules));
    let gone = async {
        while !names(&client.send(0, "tools/list", "").await.response().await, "tools").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    crate::kit::soon("the reload", gone).await;
}

#[tokio::test]
async fn a_server_of_which_a_caller_may_see_nothing_hears_nothing_of_their_notifications() {
    let upstream = Upstream::new(Era::Legacy, Wire::Stdio).await;
    let settings = |rules| {
        let mut settings = ruled(&[("up", &upstream)], rules);
        settings["mcpServers"]["up"]["pool"] = json!({ "isolation": "session" });
        settings
    };
    let gateway = Gateway::start(settings(json!([{ "allow": "true" }]))).await;
    let client = Legacy::open_bearing(&gateway, SALES, r#"{"roots":{"listChanged":true}}"#).await;
    let call = client.begin_call(1, "echo", "{}").await;
    upstream.take("tools/call").await.text_result("ok").await;
    assert_eq!(call.answer().await.status, 200);
    for method in ["notifications/roots/list_changed", "notifications/acme/told"] {
        client.tell(method, "").await;
        upstream.take(method).await;
    }
    gateway.rewrite(settings(json!([{ "allow": "\"research\" in principal.groups" }])));
    gateway.metric("myelin_config_reloads_total{result=\"ok\"}", "1").await;
    for method in ["notifications/roots/list_changed", "notifications/acme/told"] {
        let heard = upstream.count(method);
        client.tell(method, "").await;
        never("it is told", Duration::from_millis(300), upstream.take(method)).await;
        assert_eq!(upstream.count(method), heard);
    }
}
