//! When children start: with the gateway or with the first call, and so many at a time.

use serde_json::{Value, json};

use crate::kit::{Era, Gateway, Modern, Upstream, Wire, config};

#[tokio::test]
async fn a_lazy_server_starts_with_the_first_call_and_an_eager_one_with_the_gateway() {
    let (eager, lazy) = (Upstream::new(Era::Modern, Wire::Stdio).await, Upstream::new(Era::Legacy, Wire::Stdio).await);
    let mut settings = config(&[("eager", &eager), ("lazy", &lazy)]);
    settings["mcpServers"]["lazy"]["start"] = json!("lazy");
    settings["endpoints"] =
        json!({ "/mcp": { "servers": ["lazy"], "names": "bare" }, "/eager": { "servers": ["eager"] } });
    let gateway = Gateway::start(settings).await;
    gateway.metric(r#"myelin_upstream_state{server="eager",state="ready"}"#, "1").await;
    gateway.metric(r#"myelin_upstream_state{server="lazy",state="idle"}"#, "1").await;
    let ready: Value = serde_json::from_str(&gateway.admin("/readyz").await.1).unwrap();
    assert_eq!(ready["problems"], json!([]), "nobody misses a server that nobody called");
    assert_eq!(lazy.count("server/discover") + lazy.count("initialize"), 0);
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    lazy.take("tools/call").await.text_result("awake").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "awake");
    gateway.stop().await;
}
