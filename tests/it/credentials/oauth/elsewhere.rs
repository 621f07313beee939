//! Users whose browser comes to another gateway than the call that sent them.

use serde_json::json;

use super::{ALICE, agreeing, asked, browser::Browser, credential, keys, legacy, modern};
use crate::kit::Gateway;

#[tokio::test]
async fn every_step_of_a_consent_may_come_to_another_gateway() {
    let authority = agreeing(3600).await;
    let upstream = modern().await;
    let mut settings = super::super::settings(&upstream, keys(), credential(&authority));
    settings["sealing"] = json!({ "keys": ["one key for all gateways, and long enough"] });
    settings["replicas"] = json!({ "listen": "127.0.0.1:0" });
    let (home, other) = (Gateway::start(settings.clone()).await, Gateway::start(settings).await);
    let client = legacy(&home, ALICE).await;
    let (mut stream, question, url) = asked(&client, 1).await;
    client.by(&other).reply(&question["id"], r#"{"action":"accept"}"#).await;
    let browser = Browser::at(&url.replace(&home.address, &other.address)).await;
    let away = browser.agree(ALICE).await;
    let callback = away.query["redirect_uri"].rsplit_once(&home.address).expect("the gateway that asked").1.to_owned();
    let back = format!("{callback}?code=c1&state={}", away.query["state"]);
    assert_eq!(browser.visit(&back).await.0, 200, "{}", other.log());
    other.metric(r#"myelin_hops_total{result="answered"}"#, "4").await;
    let mut arrived = upstream.take("tools/call").await;
    assert_eq!(arrived.header("authorization"), Some("Bearer canary-access-c1"));
    arrived.text_result("done").await;
    assert_eq!(stream.message().await["method"], "notifications/elicitation/complete");
    assert_eq!(stream.message().await["result"]["content"][0]["text"], "done");
    assert_eq!(browser.visit(&back).await.0, 400, "once");
}
