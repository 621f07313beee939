//! The client's own token: forwarded to the server that says so, and nowhere else.

use serde_json::json;

use super::{bearer, over};
use crate::kit::{Era, Gateway, Legacy, Modern, Upstream, Wire, config, text};

const ALICE: &str = "canary-alice-0123456789";
const ALICE_LATER: &str = "canary-alice-later-01234";
const BOB: &str = "canary-bob-0123456789abc";

fn keys() -> serde_json::Value {
    json!({ "apiKeys": [
        { "id": "alice", "token": ALICE },
        { "id": "alice", "token": ALICE_LATER },
        { "id": "bob", "token": BOB },
    ] })
}

#[tokio::test]
async fn a_token_goes_to_the_server_that_says_so_and_to_no_other() {
    let passes = Upstream::new(Era::Modern, Wire::Http).await;
    let keeps = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("passes", &passes), ("keeps", &keeps)]);
    settings["auth"] = keys();
    settings["mcpServers"]["passes"]["auth"] = json!("passthrough");
    settings["endpoints"] = json!({ "/mcp": { "servers": ["*"], "names": "prefixed" } });
    let gateway = Gateway::start(settings).await;
    for token in [ALICE, BOB] {
        let client = Modern::of(&gateway).bearing(token);
        let call = client.begin_call(1, "passes__echo", "{}").await;
        let mut arrived = passes.take("tools/call").await;
        assert_eq!(bearer(arrived.header("authorization")), token);
        arrived.text_result("a").await;
        assert_eq!(text(call.answer().await).await, "a");
        let call = client.begin_call(2, "keeps__echo", "{}").await;
        let mut arrived = keeps.take("tools/call").await;
        arrived.text_result("b").await;
        assert_eq!(text(call.answer().await).await, "b");
    }
    let shown = passes.headers("authorization");
    assert!(shown.iter().all(|value| [ALICE, BOB].contains(&bearer(value.as_deref()))), "{shown:?}");
    assert_eq!(keeps.headers("authorization"), [None].into());
    assert!(!gateway.log().contains("canary"), "a token is never written");
}

#[tokio::test]
async fn a_session_goes_on_with_the_newest_token_of_its_principal() {
    let (upstream, gateway) = over(keys(), json!("passthrough")).await;
    let client = Legacy::open_bearing(&gateway, ALICE, "{}").await;
    for token in [ALICE, ALICE_LATER] {
        let client = client.clone().bearing(token);
        let call = client.begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        assert_eq!(bearer(arrived.header("authorization")), token);
        arrived.text_result("ok").await;
        assert_eq!(text(call.answer().await).await, "ok");
    }
    assert_eq!(client.bearing(BOB).call(2, "echo", "{}").await.status, 404, "nor by another principal");
}

#[tokio::test]
async fn lists_are_read_with_the_token_of_whoever_asks_and_shown_to_nobody_else() {
    let (upstream, gateway) = over(keys(), json!("passthrough")).await;
    upstream.takes("tools/list");
    for (token, tool) in [(ALICE, "hers"), (BOB, "his")] {
        let client = Modern::of(&gateway).bearing(token);
        let listing = client.begin(1, "tools/list", "").await;
        let mut arrived = upstream.take("tools/list").await;
        assert_eq!(bearer(arrived.header("authorization")), token);
        let tool = crate::kit::tool(tool);
        arrived
            .result(&format!(r#"{{"tools":[{tool}],"ttlMs":60000,"cacheScope":"public","resultType":"complete"}}"#))
            .await;
        let listed = listing.answer().await.response().await;
        assert!(listed.to_string().contains(&tool[..12]), "{listed}");
        assert_eq!(listed["result"]["cacheScope"], "private", "what one may see is not for a shared cache");
    }
    let again = Modern::of(&gateway).bearing(ALICE).send(2, "tools/list", "").await.response().await;
    assert_eq!(crate::kit::names(&again, "tools"), ["hers"]);
}

#[tokio::test]
async fn what_the_server_refuses_is_not_tried_again_and_the_caller_hears_of_no_token() {
    let (upstream, gateway) = over(keys(), json!("passthrough")).await;
    let client = Modern::of(&gateway).bearing(ALICE);
    let call = client.begin_call(1, "echo", "{}").await;
    let arrived = upstream.take("tools/call").await;
    arrived.respond(401, "www-authenticate: Bearer error=\"invalid_token\"\r\n", "").await;
    let refusal = call.answer().await.refused(200, 1001).await;
    assert!(!refusal.to_string().contains("canary"), "{refusal}");
    assert_eq!(upstream.count("tools/call"), 1);
}
