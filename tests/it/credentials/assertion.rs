//! What the gateway says of its callers.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use super::{bearer, over};
use crate::kit::{Authority, Client, Era, Gateway, Modern, Upstream, Wire, request, text};

async fn get(gateway: &Gateway, path: &str) -> Value {
    let answer = Client::exchange(&gateway.address, &request("GET", path, &[], b"")).await;
    assert_eq!(answer.status, 200, "{path}");
    serde_json::from_str(&answer.text().await).unwrap()
}

/// The claims of an assertion, verified as a server would: by what the gateway publishes.
async fn verified(gateway: &Gateway, assertion: &str, audience: &str) -> Value {
    let metadata = get(gateway, "/.well-known/openid-configuration").await;
    let published = get(gateway, metadata["jwks_uri"].as_str().unwrap().split_once(&gateway.address).unwrap().1).await;
    let name = jsonwebtoken::decode_header(assertion).unwrap().kid.unwrap();
    let jwk = published["keys"].as_array().unwrap().iter().find(|key| key["kid"] == *name).expect("the key");
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[metadata["issuer"].as_str().unwrap()]);
    let key = DecodingKey::from_jwk(&serde_json::from_value(jwk.clone()).unwrap()).unwrap();
    decode::<Value>(assertion, &key, &validation).unwrap().claims
}

async fn shown(upstream: &Upstream, client: Modern, header: &str) -> String {
    let call = client.begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    let shown = arrived.header(header).unwrap_or("none").to_owned();
    arrived.text_result("ok").await;
    assert_eq!(text(call.answer().await).await, "ok");
    shown
}

#[tokio::test]
async fn a_server_knows_the_caller_by_a_statement_that_it_can_verify() {
    let authority = Authority::granting().await;
    let (upstream, gateway) = over(authority.trusted(), json!({ "assertion": { "claims": { "tier": "gold" } } })).await;
    let own = format!("http://{}/mcp", upstream.address());
    let alice = authority.token("alice");
    let first = shown(&upstream, Modern::of(&gateway).bearing(&alice), "authorization").await;
    let claims = verified(&gateway, bearer(Some(&first)), &own).await;
    assert_eq!(claims["sub"], format!("{}|alice", authority.url));
    assert_eq!(
        (&claims["groups"], &claims["kind"], &claims["tier"]),
        (&json!(["staff"]), &json!("token"), &json!("gold"))
    );
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
    let again = shown(&upstream, Modern::of(&gateway).bearing(&alice), "authorization").await;
    assert_eq!(first, again, "signed once for a while");
    let bob = authority.token("bob");
    let his = shown(&upstream, Modern::of(&gateway).bearing(&bob), "authorization").await;
    assert!(verified(&gateway, bearer(Some(&his)), &own).await["sub"].as_str().unwrap().ends_with("|bob"));
    assert!(gateway.log().contains("a signing key was made"), "{}", gateway.log());
    assert!(!gateway.log().contains(bearer(Some(&first))) && !gateway.log().contains(&alice));
}

#[tokio::test]
async fn configured_keys_sign_and_rotate_and_the_header_and_audience_are_the_operator_s() {
    let [old, new] =
        [(), ()].map(|()| rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem());
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let credential = json!({ "assertion": { "audience": "tools", "ttl": "20s", "header": "X-Caller" } });
    let auth = json!({ "apiKeys": [{ "id": "ci", "token": "canary-key-0123456789" }] });
    let mut settings = super::settings(&upstream, auth, credential);
    settings["signing"] = json!({ "keys": [old] });
    let gateway = Gateway::start(settings.clone()).await;
    let client = || Modern::of(&gateway).bearing("canary-key-0123456789");
    let first = shown(&upstream, client(), "x-caller").await;
    assert_eq!(verified(&gateway, &first, "tools").await["sub"], "ci");
    settings["signing"] = json!({ "keys": [new, old] });
    gateway.rewrite(settings);
    gateway.metric("myelin_config_reloads_total{result=\"ok\"}", "1").await;
    assert_eq!(get(&gateway, "/.well-known/jwks.json").await["keys"].as_array().unwrap().len(), 2);
    assert_eq!(verified(&gateway, &first, "tools").await["sub"], "ci", "what was signed before still holds");
    assert_eq!(upstream.headers("authorization"), [None].into());
}

#[tokio::test]
async fn a_gateway_that_signs_nothing_publishes_nothing() {
    let (_upstream, gateway) = over(
        Value::Null,
        json!({ "clientCredentials": {
        "tokenUrl": "http://127.0.0.1:9/token", "clientId": "a", "clientSecret": "b",
    } }),
    )
    .await;
    for path in ["/.well-known/jwks.json", "/.well-known/openid-configuration"] {
        assert_eq!(Client::exchange(&gateway.address, &request("GET", path, &[], b"")).await.status, 404);
    }
}

#[tokio::test]
async fn a_program_knows_its_caller_by_a_statement_in_each_request_whatever_a_client_writes_there() {
    for (era, isolation) in [(Era::Modern, "principal"), (Era::Legacy, "principal"), (Era::Legacy, "session")] {
        let authority = Authority::granting().await;
        let upstream = Upstream::new(era, Wire::Stdio).await;
        let credential = json!({ "assertion": { "audience": "tools" } });
        let mut settings = super::settings(&upstream, authority.trusted(), credential);
        settings["mcpServers"]["up"]["pool"] = json!({ "isolation": isolation });
        let gateway = Gateway::start(settings).await;
        for user in ["alice", "bob"] {
            let client = Modern::of(&gateway).bearing(&authority.token(user)).meta(r#""myelin/assertion":"forged""#);
            let call = client.begin_call(1, "echo", r#"{"a":1}"#).await;
            let mut arrived = upstream.take("tools/call").await;
            let said = arrived.params()["_meta"]["myelin/assertion"].as_str().unwrap_or("none").to_owned();
            assert_eq!(arrived.params()["arguments"], json!({ "a": 1 }));
            arrived.text_result("ok").await;
            assert_eq!(text(call.answer().await).await, "ok");
            let claims = verified(&gateway, &said, "tools").await;
            assert_eq!(claims["sub"], format!("{}|{user}", authority.url), "{era:?} {isolation}");
            assert!(!gateway.log().contains(&said));
        }
    }
}
