//! Gateways of one deployment: requests that come to one and belong to another.

mod certificates;
mod drain;
mod gone;
mod home;

use serde_json::{Value, json};

use crate::kit::{Era, Gateway, Modern, Upstream, Wire, config};

const ASKABLE: &str = r#"{"elicitation":{"form":{},"url":{}}}"#;
const FORM: &str = r#"{"message":"Name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}"#;
const GIVEN: &str = r#"{"action":"accept","content":{"name":"a"}}"#;
/// Longer than anything takes here: what is over before is over for a better reason.
const DRAIN: &str = "60s";

/// Settings of gateways with the same key.
fn settings(servers: &[(&str, &Upstream)]) -> Value {
    let mut settings = config(servers);
    settings["sealing"] = json!({ "keys": ["one key for all gateways, and long enough"] });
    settings["replicas"] = json!({ "listen": "127.0.0.1:0" });
    settings["drain"] = json!(DRAIN);
    settings
}

/// Two gateways in front of one server.
async fn pair(upstream: &Upstream) -> (Gateway, Gateway) {
    let settings = settings(&[("up", upstream)]);
    (Gateway::start(settings.clone()).await, Gateway::start(settings).await)
}

async fn legacy_server(wire: Wire) -> (Upstream, Gateway, Gateway) {
    let upstream = Upstream::new(Era::Legacy, wire).await;
    let (home, other) = pair(&upstream).await;
    (upstream, home, other)
}

fn modern(gateway: &Gateway) -> Modern {
    Modern::of(gateway).capable(ASKABLE)
}

/// A call that is parked at a gateway.
struct Parked {
    /// The call repeated with its answer: the members of its parameters.
    again: String,
    /// What its server has of it.
    arrived: crate::kit::Arrived,
}

async fn park(gateway: &Gateway, upstream: &Upstream) -> Parked {
    let call = modern(gateway).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.ask(&json!("q"), "elicitation/create", FORM).await;
    let response = call.answer().await.response().await;
    let result = &response["result"];
    let asked = result["inputRequests"].as_object().and_then(|asked| asked.keys().next()).expect("a question");
    let state = &result["requestState"];
    let again =
        format!(r#""name":"echo","arguments":{{}},"requestState":{state},"inputResponses":{{"{asked}":{GIVEN}}}"#);
    Parked { again, arrived }
}
