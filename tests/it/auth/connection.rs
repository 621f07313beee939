//! A connection that knows the credential of its last request again, and nothing more than that.

use jsonwebtoken::get_current_timestamp;
use rustix::process::Signal;
use serde_json::json;

use super::{
    ALICE, BOB,
    issuer::{Issuer, Signer},
    keys, list_request, over,
};
use crate::kit::{Client, Gateway, config, soon, until};

/// One connection that is kept, whatever it is answered.
struct Connection<'a>(&'a Gateway, Option<Client>);

impl<'a> Connection<'a> {
    async fn open(gateway: &'a Gateway) -> Self {
        Self(gateway, Some(Client::connect(&gateway.address).await))
    }

    /// The status of a request with these tokens.
    async fn status(&mut self, tokens: &[&str]) -> u16 {
        let values: Vec<String> = tokens.iter().map(|token| format!("Bearer {token}")).collect();
        let credentials: Vec<(&str, &str)> = values.iter().map(|value| ("authorization", value.as_str())).collect();
        let mut client = self.1.take().unwrap();
        client.send(&list_request(self.0, &credentials, "/mcp")).await;
        let answer = client.answer().await;
        let status = answer.status;
        self.1 = Some(answer.kept().await);
        status
    }
}

/// Whose calls the log has, in their order.
fn callers(gateway: &Gateway) -> Vec<String> {
    let log = gateway.log();
    let lines = log.lines().filter(|line| line.contains("\"method\":\"tools/list\""));
    lines.filter_map(|line| Some(line.split("\"principal\":\"").nth(1)?.split('"').next()?.to_owned())).collect()
}

#[tokio::test]
async fn each_request_of_a_connection_is_whose_its_own_token_says() {
    let (_upstream, gateway) = over(keys()).await;
    let mut connection = Connection::open(&gateway).await;
    let asked: [(&[&str], u16); 8] = [
        (&[ALICE], 200),
        (&[ALICE], 200),
        (&[BOB], 200),
        (&["tok-alice-012345678"], 401),
        (&[], 401),
        (&[BOB, BOB], 400),
        (&[BOB], 200),
        (&[ALICE], 200),
    ];
    for (tokens, status) in asked {
        assert_eq!(connection.status(tokens).await, status, "{tokens:?}");
    }
    until("the calls are in the log", || callers(&gateway).len() >= 5).await;
    assert_eq!(callers(&gateway), ["alice", "alice", "bob", "bob", "alice"]);
}

#[tokio::test]
async fn a_key_that_is_taken_out_lets_nobody_in_on_the_connection_that_it_used() {
    let (upstream, gateway) = over(keys()).await;
    let mut connection = Connection::open(&gateway).await;
    assert_eq!((connection.status(&[ALICE]).await, connection.status(&[ALICE]).await), (200, 200));
    let mut settings = config(&[("up", &upstream)]);
    settings["auth"] = json!({ "apiKeys": [{ "id": "bob", "token": BOB }] });
    gateway.rewrite(settings);
    gateway.signal(Signal::HUP);
    gateway.metric("myelin_config_reloads_total{result=\"ok\"}", "1").await;
    assert_eq!((connection.status(&[ALICE]).await, connection.status(&[BOB]).await), (401, 200));
}

#[tokio::test]
async fn a_token_that_ends_lets_nobody_in_on_the_connection_that_it_used() {
    let signer = Signer::new("k1");
    let issuer = Issuer::start(&signer).await;
    let (_upstream, gateway) = over(json!({ "issuers": [{ "issuer": issuer.url }], "clockSkew": "0s" })).await;
    let end = get_current_timestamp() + 3;
    let token = signer.sign(&issuer.but("exp", json!(end)));
    let mut connection = Connection::open(&gateway).await;
    assert_eq!(connection.status(&[&token]).await, 200);
    let ends = async { while connection.status(&[&token]).await == 200 {} };
    soon("the token ends", ends).await;
    assert!(get_current_timestamp() >= end, "not before its time");
    assert_eq!(connection.status(&[&token]).await, 401);
}
