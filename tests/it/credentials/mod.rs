//! What the gateway shows its servers: secrets of files, tokens of its own and of its callers, and never the wrong one.

mod assertion;
mod client;
mod exchange;
mod oauth;
mod passthrough;
mod secrets;

use serde_json::Value;

use crate::kit::{Era, Gateway, Upstream, Wire, config};

/// A gateway over one modern server that is called with this credential, and callers known by `auth`.
async fn over(auth: Value, credential: Value) -> (Upstream, Gateway) {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::start(settings(&upstream, auth, credential)).await;
    (upstream, gateway)
}

fn settings(upstream: &Upstream, auth: Value, credential: Value) -> Value {
    let mut settings = config(&[("up", upstream)]);
    if !auth.is_null() {
        settings["auth"] = auth;
    }
    settings["mcpServers"]["up"]["auth"] = credential;
    settings
}

/// The bearer token of a request.
fn bearer(header: Option<&str>) -> &str {
    header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("none")
}
