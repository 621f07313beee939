//! When children start: with the gateway or with the first call, and so many at a time.

use serde_json::{Value, json};

use crate::kit::{Era, Gateway, MODERN, Modern, Upstream, Wire, config};

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

#[tokio::test]
async fn a_server_that_a_late_probe_made_modern_is_asked_once_more() {
    let upstream = Upstream::new(Era::Modern, Wire::Stdio).await;
    upstream.takes("server/discover");
    upstream.takes("initialize");
    let mut settings = config(&[("up", &upstream)]);
    // Silence is a legacy server's.
    settings["mcpServers"]["up"]["probeTimeout"] = json!("1ms");
    let gateway = Gateway::start(settings).await;
    let call = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let mut handshake = upstream.take("initialize").await;
    upstream.leaves("server/discover");
    let (id, data) = (handshake.id().clone(), json!({ "supported": [MODERN], "requested": "2025-11-25" }));
    let error = json!({ "code": -32022, "message": "it is too late for this", "data": data });
    handshake.finish(&json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()).await;
    upstream.take("tools/call").await.text_result("modern").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "modern");
    assert_eq!((upstream.count("server/discover"), upstream.count("initialize")), (2, 1));
    gateway.stop().await;
}
