//! Tokens that the gateway gets for itself.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{bearer, over};
use crate::kit::{Authority, Modern, text};

const SECRET: &str = "canary secret+/";

fn credential(authority: &Authority, more: Value) -> Value {
    let mut client = json!({ "tokenUrl": format!("{}/token", authority.url), "clientId": "my elin" });
    for (name, value) in more.as_object().unwrap() {
        client[name] = value.clone();
    }
    client.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    json!({ "clientCredentials": client })
}

#[tokio::test]
async fn a_token_is_got_once_for_many_calls_at_once() {
    let authority = Authority::granting().await;
    authority.hold(true);
    let (upstream, gateway) = over(Value::Null, credential(&authority, json!({ "clientSecret": SECRET }))).await;
    let mut calls = Vec::new();
    for id in 0..20 {
        calls.push(Modern::of(&gateway).begin_call(id, "echo", "{}").await);
    }
    authority.was_asked("/token", 1).await;
    authority.hold(false);
    for _ in 0..20 {
        let mut arrived = upstream.take("tools/call").await;
        assert_eq!(bearer(arrived.header("authorization")), "token-1");
        arrived.text_result("ok").await;
    }
    for call in calls {
        assert_eq!(text(call.answer().await).await, "ok");
    }
    assert_eq!(authority.asked("/token").len(), 1);
    assert_eq!(upstream.headers("authorization"), [Some("Bearer token-1".to_owned())].into(), "the probe, too");
    let log = gateway.log();
    assert!(!log.contains("canary") && !log.contains("token-1"), "{log}");
}

#[tokio::test]
async fn the_gateway_proves_who_it_is_in_each_way_and_says_what_the_token_is_for() {
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let ways = [
        json!({ "clientSecret": SECRET }),
        json!({ "clientSecret": SECRET, "method": "post", "scopes": ["a", "b"], "audience": "https://aud.example" }),
        json!({ "privateKey": pem, "keyId": "k9", "method": "privateKeyJwt", "resource": "https://res.example/x" }),
    ];
    for (number, way) in ways.iter().enumerate() {
        let authority = Authority::granting().await;
        let (upstream, _gateway) = over(Value::Null, credential(&authority, way.clone())).await;
        authority.was_asked("/token", 1).await;
        let asked = authority.asked("/token").remove(0);
        assert_eq!((asked.method.as_str(), asked.field("grant_type")), ("POST", Some("client_credentials")));
        let own = format!("http://{}/mcp", upstream.address());
        match number {
            0 => {
                let pair = format!("my+elin:{}", "canary+secret%2B%2F");
                let expected = format!("Basic {}", STANDARD.encode(pair));
                assert_eq!(asked.head.header("authorization"), Some(&*expected));
                assert_eq!(asked.field("client_id"), None);
                assert_eq!(asked.field("resource"), Some(&*own));
            }
            1 => {
                assert_eq!(asked.head.header("authorization"), None);
                assert_eq!((asked.field("client_id"), asked.field("client_secret")), (Some("my elin"), Some(SECRET)));
                assert_eq!((asked.field("scope"), asked.field("audience")), (Some("a b"), Some("https://aud.example")));
            }
            _ => {
                assert_eq!(asked.field("resource"), Some("https://res.example/x"));
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                assert_eq!(asked.field("client_assertion_type"), Some(kind));
                let statement = asked.field("client_assertion").unwrap();
                assert_eq!(jsonwebtoken::decode_header(statement).unwrap().kid.as_deref(), Some("k9"));
                let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(statement).unwrap();
                assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some("my elin"), Some("my elin")));
                assert_eq!(claims["aud"], format!("{}/token", authority.url));
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_the_server_refuses_is_replaced_once_and_the_call_sent_again() {
    let authority = Authority::granting().await;
    let (upstream, gateway) = over(Value::Null, credential(&authority, json!({ "clientSecret": SECRET }))).await;
    let client = Modern::of(&gateway);
    let call = client.begin_call(1, "echo", "{}").await;
    let first = upstream.take("tools/call").await;
    assert_eq!(bearer(first.header("authorization")), "token-1");
    first.respond(401, "", "").await;
    let mut second = upstream.take("tools/call").await;
    assert_eq!(bearer(second.header("authorization")), "token-2");
    assert_eq!(first.text, second.text, "the very same call");
    second.text_result("ok").await;
    assert_eq!(text(call.answer().await).await, "ok");
    let call = client.begin_call(2, "echo", "{}").await;
    for token in ["token-2", "token-3"] {
        let refused = upstream.take("tools/call").await;
        assert_eq!(bearer(refused.header("authorization")), token);
        refused.respond(401, "", "").await;
    }
    call.answer().await.refused(200, 1001).await;
    assert_eq!((upstream.count("tools/call"), authority.asked("/token").len()), (4, 3));
}

#[tokio::test]
async fn an_issuer_says_where_tokens_are_and_metadata_of_another_is_not_followed() {
    let authority = Authority::granting().await;
    let by_issuer = json!({ "clientSecret": SECRET, "tokenUrl": null, "issuer": authority.url });
    let (upstream, _gateway) = over(Value::Null, credential(&authority, by_issuer.clone())).await;
    authority.was_asked("/token", 1).await;
    super::super::kit::until("the server is probed", || upstream.count("server/discover") > 0).await;
    let liar = Authority::granting().await;
    liar.says("issuer", json!("https://other.example"));
    let by_issuer = json!({ "clientSecret": SECRET, "tokenUrl": null, "issuer": liar.url });
    let (upstream, gateway) = over(Value::Null, credential(&liar, by_issuer)).await;
    Modern::of(&gateway).call(1, "echo", "{}").await.refused(200, 1001).await;
    assert!(liar.asked("/token").is_empty());
    assert_eq!(upstream.headers("authorization"), [].into(), "nothing is sent without its token");
    assert!(gateway.log().contains("there is no credential for the server"), "{}", gateway.log());
}

#[tokio::test]
async fn an_authorization_server_that_fails_is_asked_twice_then_left_alone_and_found_again() {
    let authority = Authority::start(|asked| match asked.path.as_str() {
        "/token" => (503, json!({ "error": "temporarily_unavailable", "error_description": "canary detail" })),
        _ => (404, json!({})),
    })
    .await;
    let (upstream, gateway) = over(Value::Null, credential(&authority, json!({ "clientSecret": SECRET }))).await;
    authority.was_asked("/token", 2).await;
    for id in 0..5 {
        let refusal = Modern::of(&gateway).call(id, "echo", "{}").await.refused(200, 1001).await;
        assert!(!refusal.to_string().contains("canary"), "{refusal}");
    }
    assert!(authority.asked("/token").len() <= 6, "not with each call: {}", authority.asked("/token").len());
    assert!(gateway.log().contains("temporarily_unavailable") && !gateway.log().contains("canary"));
    authority.answers(|asked| match asked.path.as_str() {
        "/token" => (200, json!({ "access_token": "token-late", "token_type": "bearer" })),
        _ => (404, json!({})),
    });
    let upstream_answers = async {
        let mut arrived = upstream.take("tools/call").await;
        assert_eq!(bearer(arrived.header("authorization")), "token-late");
        arrived.text_result("ok").await;
    };
    let client_calls = async {
        // Until the pause is over calls fail at once.
        for id in 10.. {
            let response = Modern::of(&gateway).call(id, "echo", "{}").await.response().await;
            if response["result"].is_object() {
                break;
            }
        }
    };
    crate::kit::soon("the server is called again", async { tokio::join!(upstream_answers, client_calls) }).await;
}

#[tokio::test]
async fn what_is_no_bearer_token_is_not_used() {
    for answer in [json!({ "access_token": "x", "token_type": "mac" }), json!({ "token_type": "bearer" }), json!([])] {
        let told = answer.clone();
        let authority = Authority::start(move |asked| match asked.path.as_str() {
            "/token" => (200, told.clone()),
            _ => (404, json!({})),
        })
        .await;
        let (upstream, gateway) = over(Value::Null, credential(&authority, json!({ "clientSecret": SECRET }))).await;
        Modern::of(&gateway).call(1, "echo", "{}").await.refused(200, 1001).await;
        assert_eq!(upstream.headers("authorization"), [].into(), "{answer}");
    }
}
