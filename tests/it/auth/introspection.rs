//! Opaque tokens, of an issuer that is asked about each.

use std::sync::Arc;

use jsonwebtoken::get_current_timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    ALICE, RESOURCE,
    authority::{Asked, Authority, Says},
    join_all, over, with_token,
};

/// An issuer for which a token's text says what becomes of it.
async fn opaque() -> Authority {
    Authority::start(|asked: &Asked| {
        let now = get_current_timestamp();
        let active = json!({ "active": true, "aud": RESOURCE, "sub": "u1", "exp": now + 600, "scope": "mcp:basic" });
        let with = |name: &str, value: Value| {
            let mut answer = active.clone();
            answer[name] = value;
            answer.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            answer
        };
        match asked.field("token").unwrap() {
            "good" => Says::Json(200, active),
            "unending" => Says::Json(200, with("exp", Value::Null)),
            "listed" => Says::Json(200, with("aud", json!(["x", RESOURCE]))),
            "by-resource" => Says::Json(200, {
                with("aud", Value::Null)
                    .as_object()
                    .map(|answer| {
                        let mut answer = answer.clone();
                        answer.insert("resource".to_owned(), json!(RESOURCE));
                        Value::Object(answer)
                    })
                    .unwrap()
            }),
            "expired" => Says::Json(200, with("exp", json!(now - 120))),
            "future" => Says::Json(200, with("nbf", json!(now + 600))),
            "elsewhere" => Says::Json(200, with("aud", json!("https://other.example/mcp"))),
            "for-nobody" => Says::Json(200, with("aud", Value::Null)),
            "foreign" => Says::Json(200, with("iss", json!("https://evil.example"))),
            "bound" => Says::Json(200, with("token_type", json!("DPoP"))),
            "nameless" => Says::Json(200, with("sub", Value::Null)),
            "unsaid" => Says::Json(200, with("active", json!("true"))),
            "poor" => Says::Json(200, with("scope", json!("other"))),
            "broken" => Says::Json(500, json!({})),
            "a-jwt-for-others" => Says::Json(400, json!({ "error": "unsupported_token_type" })),
            "misled" => Says::Json(400, json!({ "error": "invalid_client" })),
            "stranger" => Says::Json(401, json!({ "error": "invalid_client" })),
            "garbled" => Says::Json(200, json!("no object")),
            "slow" => Says::Silence,
            _ => Says::Json(200, json!({ "active": false })),
        }
    })
    .await
}

fn asking(authority: &Authority) -> Value {
    json!({
        "introspection": [{
            "url": format!("{}/introspect", authority.url),
            "clientId": "my elin",
            "clientSecret": "a:b+c",
            "issuer": "https://opaque.example",
            "timeout": "300ms",
        }],
        "scopes": ["mcp:basic"],
    })
}

const METADATA: &str = "resource_metadata=\"http://127.0.0.1/.well-known/oauth-protected-resource/mcp\"";

#[tokio::test]
async fn an_opaque_token_is_judged_by_what_its_issuer_says_of_it() {
    let authority = opaque().await;
    let (_upstream, gateway) = over(asking(&authority)).await;
    for token in ["good", "unending", "listed", "by-resource"] {
        assert_eq!(with_token(&gateway, token).await.status, 200, "{token}: {}", gateway.log());
    }
    let first = authority.asked().remove(0);
    assert_eq!((&*first.method, &*first.path), ("POST", "/introspect"));
    assert_eq!(first.content_type.as_deref(), Some("application/x-www-form-urlencoded"));
    assert_eq!(first.body, "token=good&token_type_hint=access_token");
    assert_eq!(first.authorization.as_deref(), Some("Basic bXkrZWxpbjphJTNBYiUyQmM="), "RFC 6749 section 2.3.1");
    let refused = [
        "unknown",
        "expired",
        "future",
        "elsewhere",
        "for-nobody",
        "foreign",
        "bound",
        "nameless",
        "unsaid",
        "a-jwt-for-others",
    ];
    let mut told = Vec::new();
    for token in refused {
        let answer = with_token(&gateway, token).await;
        assert_eq!(answer.status, 401, "{token}");
        told.push((answer.header("www-authenticate").unwrap().to_owned(), answer.text().await));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "the sender does not hear why: {told:?}");
    let poor = with_token(&gateway, "poor").await;
    assert_eq!(poor.status, 403);
    assert_eq!(
        poor.header("www-authenticate").unwrap(),
        format!(
            "Bearer error=\"insufficient_scope\", error_description=\"The token lacks a scope\", {METADATA}, scope=\"mcp:basic\""
        )
    );
}

#[tokio::test]
async fn a_token_that_cannot_be_looked_up_does_not_look_bad() {
    let authority = opaque().await;
    let (_upstream, gateway) = over(asking(&authority)).await;
    for token in ["broken", "stranger", "misled", "garbled", "slow"] {
        let answer = with_token(&gateway, token).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{token}");
        assert_eq!(answer.header("www-authenticate"), None, "{token}: no client throws its token away");
        let sentence = "The token cannot be checked at the moment: whoever issued it does not answer. Try again with the same token";
        assert!(answer.text().await.contains(sentence), "{token}");
    }
    let asked = authority.asked().len();
    with_token(&gateway, "broken").await;
    assert_eq!(authority.asked().len(), asked + 1, "what is not known is not remembered");
}

#[tokio::test]
async fn a_token_is_looked_up_once_for_many_and_a_bad_one_as_well() {
    let (may, held) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let held_back = may.clone();
    let authority = Authority::start(move |asked: &Asked| {
        let active = json!({ "active": true, "aud": RESOURCE, "sub": "u1" });
        match asked.field("token").unwrap() {
            "many" => Says::Held(held_back.clone(), active),
            _ => Says::Json(200, json!({ "active": false })),
        }
    })
    .await;
    let (_upstream, gateway) = over(asking_one(&authority)).await;
    let many = join_all((0..8).map(|_| with_token(&gateway, "many")));
    let opening = async {
        gateway.metric("myelin_token_lookups_in_flight", "1").await;
        // One place only: whoever comes with another token is sent away, and not told that it is bad.
        let other = with_token(&gateway, "other").await;
        may.notify_one();
        held.notify_one();
        other
    };
    let (answers, other) = tokio::join!(many, opening);
    assert!(answers.iter().all(|answer| answer.status == 200), "{}", gateway.log());
    assert_eq!((other.status, other.header("retry-after")), (503, Some("1")));
    assert_eq!(authority.asked().len(), 1);
    for _ in 0..3 {
        assert_eq!(with_token(&gateway, "bad").await.status, 401);
    }
    assert_eq!(authority.asked().len(), 2, "that nobody knows it is remembered for a moment");
    gateway.metric("myelin_refused_by_limit_total{limit=\"lookups\"}", "1").await;
}

fn asking_one(authority: &Authority) -> Value {
    let mut auth = asking(authority);
    auth["introspection"][0]["timeout"] = json!("30s");
    auth["scopes"] = json!([]);
    auth["maxLookups"] = json!(1);
    auth
}

#[tokio::test]
async fn keys_are_known_without_a_question_and_revocation_is_heard_of() {
    let revoked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_revoked = revoked.clone();
    let authority = Authority::start(move |_: &Asked| {
        let active = !is_revoked.load(std::sync::atomic::Ordering::SeqCst);
        Says::Json(200, json!({ "active": active, "aud": RESOURCE, "client_id": "c" }))
    })
    .await;
    let mut auth = asking_one(&authority);
    auth["apiKeys"] = json!([{ "id": "alice", "token": ALICE }]);
    // The shortest memory: each look is a new one after this time.
    auth["rememberFor"] = json!("1ms");
    let (_upstream, gateway) = over(auth).await;
    assert_eq!(with_token(&gateway, ALICE).await.status, 200);
    assert_eq!(authority.asked().len(), 0);
    assert_eq!(with_token(&gateway, "opaque").await.status, 200);
    revoked.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(with_token(&gateway, "opaque").await.status, 401);
    assert_eq!(with_token(&gateway, "myl_ci_x_abcdef").await.status, 401);
    assert!(authority.asked().iter().all(|asked| asked.field("token") == Some("opaque")), "keys go nowhere");
    assert!(!gateway.log().contains("a:b+c") && !gateway.log().contains("bXkr"), "secrets do not print");
}
