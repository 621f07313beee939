//! What a user sees of a server before they are connected to it, and who hears when that changes; and what starts consent besides tools.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ALICE, BOB, VISITS, agreeing, connect, credential, keys, legacy, modern, over, shown};
use crate::kit::{Answer, Authority, Era, Gateway, Legacy, Modern, Upstream, Wire, names, never, question};

const ALL: &str = r#""notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}"#;

async fn listed(gateway: &Gateway, token: &str) -> (Vec<String>, Value) {
    let listed = Modern::of(gateway).bearing(token).send(1, "tools/list", "").await.response().await;
    (names(&listed, "tools"), listed["result"]["_meta"].clone())
}

async fn listening(gateway: &Gateway, token: &str) -> Answer {
    let mut stream = Modern::of(gateway).bearing(token).send(7, "subscriptions/listen", ALL).await;
    assert_eq!(stream.message().await["method"], "notifications/subscriptions/acknowledged");
    stream
}

/// A server that answers nobody without a token, and is taken for one at the first contact.
async fn shut(authority: &Authority) -> (Upstream, Gateway) {
    let (upstream, gateway) = over(authority).await;
    upstream.takes("server/discover");
    let listing = Modern::of(&gateway).bearing(ALICE).begin(1, "tools/list", "").await;
    upstream.take("server/discover").await.respond(401, "", "").await;
    let listed = listing.answer().await.response().await;
    assert_eq!(listed["result"]["tools"], json!([]));
    for key in ["myelin/missing", "myelin/unconnected"] {
        assert_eq!(listed["result"]["_meta"][key], json!(["up"]), "{listed}");
    }
    (upstream, gateway)
}

#[tokio::test]
async fn what_a_server_shows_to_anybody_is_listed_before_its_user_is_connected() {
    for era in [Era::Modern, Era::Legacy] {
        let authority = agreeing(3600).await;
        let upstream = Upstream::new(era, Wire::Http).await;
        let gateway = Gateway::start(super::super::settings(&upstream, keys(), credential(&authority))).await;
        let (tools, meta) = listed(&gateway, ALICE).await;
        assert_eq!((tools, &meta["myelin/unconnected"]), (vec!["echo".to_owned()], &json!(["up"])), "{era:?}");
        assert_eq!(meta["myelin/missing"], Value::Null);
        assert_eq!(upstream.headers("authorization"), [None].into());
        connect(&gateway, &upstream, ALICE, "c").await;
        // The one for strangers, and hers: until that stands, nothing is said of a change.
        upstream.is_heard_by(2).await;
        upstream.change(|catalog| catalog.tools.push(crate::kit::tool("hers")));
        upstream.tell("notifications/tools/list_changed", "").await;
        crate::kit::soon("her list is read anew", async {
            while listed(&gateway, ALICE).await.0 != ["echo", "hers"] {}
        })
        .await;
        let (_, meta) = listed(&gateway, ALICE).await;
        assert_eq!(meta["myelin/unconnected"], Value::Null);
        assert!(upstream.headers("authorization").contains(&Some("Bearer canary-access-c".to_owned())));
        assert_eq!(listed(&gateway, BOB).await.1["myelin/unconnected"], json!(["up"]));
    }
}

#[tokio::test]
async fn a_server_that_shows_nothing_to_strangers_is_named_and_left_alone_for_a_while() {
    let authority = agreeing(3600).await;
    let (upstream, gateway) = shut(&authority).await;
    for token in [ALICE, BOB] {
        let (tools, meta) = listed(&gateway, token).await;
        assert_eq!((tools.len(), &meta["myelin/unconnected"]), (0, &json!(["up"])));
    }
    assert_eq!(upstream.count("server/discover"), 1);
}

#[tokio::test]
async fn who_listens_hears_of_it_when_they_are_connected_and_when_that_ends_and_nobody_else_does() {
    for is_shut in [false, true] {
        let authority = agreeing(3600).await;
        let (upstream, gateway) = if is_shut { shut(&authority).await } else { over(&authority).await };
        let mut hers = listening(&gateway, ALICE).await;
        let mut her_session = Legacy::open_bearing(&gateway, ALICE, "{}").await.stream(None).await;
        let mut his = listening(&gateway, BOB).await;
        upstream.leaves("server/discover");
        connect(&gateway, &upstream, ALICE, "c").await;
        for stream in [&mut hers, &mut her_session] {
            assert_eq!(stream.message().await["method"], "notifications/tools/list_changed", "shut: {is_shut}");
        }
        assert_eq!(listed(&gateway, ALICE).await.0, ["echo"]);
        while let Ok(told) = tokio::time::timeout(Duration::from_millis(500), hers.message()).await {
            assert!(told["method"].as_str().unwrap().ends_with("/list_changed"), "{told}");
        }
        assert_eq!(shown(&gateway, &upstream, ALICE).await, "canary-access-c");
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_myelin"));
        command.args(["connections", "--admin", &gateway.admin, "revoke", "alice", "up"]);
        assert!(crate::kit::soon("the command ends", command.output()).await.unwrap().status.success());
        assert_eq!(hers.message().await["method"], "notifications/tools/list_changed", "shut: {is_shut}");
        assert_eq!(listed(&gateway, ALICE).await.1["myelin/unconnected"], json!(["up"]));
        never("his lists did not change", Duration::from_millis(200), his.message()).await;
    }
}

#[tokio::test]
async fn completions_and_methods_of_extensions_start_consent_as_tools_do() {
    let authority = agreeing(3600).await;
    let members = r#""ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"a","value":"x"}"#;
    for (method, members) in [("completion/complete", members), ("acme/do", r#""a":1"#)] {
        let upstream = modern().await;
        let gateway = Gateway::start(super::super::settings(&upstream, keys(), credential(&authority))).await;
        let refusal = Modern::of(&gateway).bearing(ALICE).capable(VISITS).send(1, method, members).await;
        let refusal = refusal.refused(200, 1010).await;
        assert!(refusal["error"]["data"]["url"].as_str().unwrap().contains("/connect/to/"), "{refusal}");
        let client = legacy(&gateway, ALICE).await;
        let mut stream = client.begin_post(&Legacy::body(1, method, members)).await.answer().await;
        let asked = question(&mut stream).await;
        client.reply(&asked["id"], r#"{"action":"accept"}"#).await;
        let browser = super::browser::Browser::at(asked["params"]["url"].as_str().unwrap()).await;
        let away = browser.agree(ALICE).await;
        assert_eq!(browser.back(&away, &[("code", "c")]).await.0, 200);
        let mut arrived = upstream.take(method).await;
        assert_eq!(arrived.header("authorization"), Some("Bearer canary-access-c"));
        arrived.result(r#"{"resultType":"complete","completion":{"values":["xyz"]}}"#).await;
        loop {
            let message = stream.message().await;
            if message["result"].is_object() {
                break assert_eq!(message["result"]["completion"]["values"][0], "xyz");
            }
        }
    }
}
