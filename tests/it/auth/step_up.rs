//! A call that needs more than its token may: the client hears for what to ask, before the first byte of an answer, and comes back.

use serde_json::json;

use super::issuer::{Issuer, Signer};
use crate::kit::{Answer, Era, Gateway, Legacy, Modern, Upstream, Wire, config};

const CHALLENGE: &str = "Bearer error=\"insufficient_scope\", error_description=\"The token lacks a scope\", resource_metadata=\"http://127.0.0.1/.well-known/oauth-protected-resource/mcp\", scope=\"mcp:basic files:read files:write\"";
const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":1007,"message":"The token lacks a scope: ask for a token with these scopes: files:read files:write","data":{"scopes":["files:read","files:write"]}}}"#;

async fn is_sent_for_more(answer: Answer) {
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.text().await, BODY);
}

#[tokio::test]
async fn a_call_is_sent_for_all_scopes_at_once_and_goes_through_with_them_in_the_same_session() {
    let signer = Signer::new("k1");
    let issuer = Issuer::start(&signer).await;
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["auth"] = json!({ "issuers": [{ "issuer": issuer.url }], "scopes": ["mcp:basic"] });
    settings["policies"] = json!([{ "allow": true, "scopes": ["files:read", "files:write"] }]);
    let gateway = Gateway::start(settings).await;
    let token = |scope: &str| signer.sign(&issuer.but("scope", json!(scope)));
    let (poor, rich) = (token("mcp:basic files:read"), token("mcp:basic files:read files:write"));

    is_sent_for_more(Modern::of(&gateway).bearing(&poor).call(1, "echo", "{}").await).await;
    let session = Legacy::open_bearing(&gateway, &poor, "{}").await;
    is_sent_for_more(session.call(1, "echo", "{}").await).await;
    assert_eq!(upstream.count("tools/call"), 0);

    let stepped_up = session.clone().bearing(&rich);
    let call = stepped_up.begin_call(2, "echo", "{}").await;
    upstream.take("tools/call").await.text_result("done").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "done");
    // What one token may does not rub off on the other, in whatever session.
    is_sent_for_more(session.call(1, "echo", "{}").await).await;
    let call = Modern::of(&gateway).bearing(&rich).begin_call(3, "echo", "{}").await;
    upstream.take("tools/call").await.text_result("done").await;
    assert_eq!(call.answer().await.status, 200);
}
