//! Who sits at the browser, where that is somebody whom an issuer knows, or a certificate.

use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    VISITS, agreeing, asked,
    browser::{Away, Browser},
    credential, legacy, modern, no_canary,
};
use crate::kit::{
    Asked, Authority, Gateway, MODERN, Modern, Upstream, request,
    tls::{Ca, Files, connect, send},
};

/// An issuer whose next ID token a test writes.
struct Idp {
    authority: Authority,
    id_token: Arc<Mutex<String>>,
}

impl Idp {
    async fn start() -> Self {
        let id_token = Arc::new(Mutex::new(String::new()));
        let given = id_token.clone();
        let authority = Authority::start(move |asked: &Asked| match asked.path.as_str() {
            "/token" => (200, json!({ "access_token": "canary-of-no-use", "token_type": "Bearer", "id_token": *given.lock().unwrap() })),
            _ => (404, json!({})),
        })
        .await;
        Self { authority, id_token }
    }

    fn trusted(&self) -> Value {
        json!({ "issuers": [{
            "issuer": self.authority.url,
            "login": { "clientId": "portal", "clientSecret": "canary-login-secret", "scopes": ["profile"] },
        }] })
    }

    /// What it says of a user who signs in, to be changed.
    fn claims(&self, user: &str, away: &Away) -> Value {
        let mut claims = self.authority.claims(user);
        claims["aud"] = json!("portal");
        claims["nonce"] = json!(away.query["nonce"]);
        claims
    }

    fn says(&self, claims: &Value) {
        *self.id_token.lock().unwrap() = self.authority.sign(claims);
    }
}

async fn over(idp: &Idp, authority: &Authority) -> (Upstream, Gateway) {
    super::super::over(idp.trusted(), credential(authority)).await
}

/// Alice calls a tool, opens the page and is sent to sign in.
async fn sent(gateway: &Gateway, idp: &Idp) -> (crate::kit::Legacy, crate::kit::Answer, Value, Browser) {
    let client = legacy(gateway, &idp.authority.token("alice")).await;
    let (stream, question, url) = asked(&client, 1).await;
    (client, stream, question, Browser::at(&url).await)
}

/// Where somebody who signed in is sent next, or with which words not.
async fn signed_in(browser: &Browser, away: &Away, more: &[(&str, &str)]) -> (u16, Option<String>, String) {
    let redirect = &away.query["redirect_uri"];
    let path = &redirect[redirect.find(&browser.address).unwrap() + browser.address.len()..];
    let mut target = format!("{path}?state={}", away.query["state"]);
    for (name, value) in more {
        target.push_str(&format!("&{name}={value}"));
    }
    browser.visit(&target).await
}

#[tokio::test]
async fn a_user_of_an_issuer_signs_in_there_and_is_connected() {
    let (idp, authority) = (Idp::start().await, agreeing(3600).await);
    let (upstream, gateway) = over(&idp, &authority).await;
    let (client, mut stream, question, browser) = sent(&gateway, &idp).await;
    client.reply(&question["id"], r#"{"action":"accept"}"#).await;
    assert!(browser.page.contains("Sign in and connect") && !browser.page.contains("alice"), "{}", browser.page);
    let away = browser.agree("").await;
    assert_eq!(away.target, format!("{}/authorize", idp.authority.url));
    let bare = idp.authority.url.strip_prefix("http://").unwrap();
    assert_eq!(away.query["redirect_uri"], format!("http://{}/connect/signed-in/{bare}", gateway.address));
    let asked_for = ["response_type", "client_id", "scope", "code_challenge_method"].map(|name| &*away.query[name]);
    assert_eq!(asked_for, ["code", "portal", "openid profile", "S256"]);
    idp.says(&idp.claims("alice", &away));
    let (status, next, page) = signed_in(&browser, &away, &[("code", "login-code")]).await;
    assert_eq!(status, 303, "{page}");
    let next = Away::to(&next.unwrap());
    assert_eq!(next.target, format!("{}/authorize", authority.url));
    let redeemed = idp.authority.asked("/token").pop().unwrap();
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, redeemed.field("code_verifier").unwrap().as_bytes()));
    assert_eq!(challenge, away.query["code_challenge"]);
    assert_eq!(redeemed.field("code"), Some("login-code"));
    assert!(redeemed.head.header("authorization").unwrap().starts_with("Basic "));
    assert_eq!(browser.back(&next, &[("code", "c1")]).await.0, 200);
    let mut arrived = upstream.take("tools/call").await;
    assert_eq!(arrived.header("authorization"), Some("Bearer canary-access-c1"));
    arrived.text_result("done").await;
    loop {
        let message = stream.message().await;
        if message["result"].is_object() {
            break assert_eq!(message["result"]["content"][0]["text"], "done");
        }
    }
    no_canary(&gateway);
}

#[tokio::test]
async fn nobody_who_signs_in_as_somebody_else_is_connected() {
    let (idp, authority) = (Idp::start().await, agreeing(3600).await);
    let (_upstream, gateway) = over(&idp, &authority).await;
    let (_client, _stream, _, browser) = sent(&gateway, &idp).await;
    for attempt in 1..=5 {
        let away = browser.agree("").await;
        idp.says(&idp.claims("mallory", &away));
        let (status, next, page) = signed_in(&browser, &away, &[("code", "c")]).await;
        assert_eq!((status, next), (403, None), "{page}");
        assert!(!page.contains("alice") && !page.contains("mallory"), "{page}");
        assert_eq!(browser.send("").await.0, if attempt < 5 { 303 } else { 404 }, "after so many the invitation ends");
    }
    assert!(authority.asked("/token").is_empty());
    no_canary(&gateway);
}

#[tokio::test]
async fn an_id_token_that_is_not_the_answer_to_this_sign_in_says_nothing() {
    let (idp, authority) = (Idp::start().await, agreeing(3600).await);
    let (_upstream, gateway) = over(&idp, &authority).await;
    let (_client, _stream, _, browser) = sent(&gateway, &idp).await;
    let changes: [(&str, Value); 7] = [
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("aud", json!("another-client")),
        ("aud", json!(["portal", "another-client"])),
        ("azp", json!("another-client")),
        ("iss", json!("https://evil.example")),
        ("exp", json!(1_000_000_000)),
    ];
    for (name, value) in changes {
        let away = browser.agree("").await;
        let mut claims = idp.claims("alice", &away);
        claims[name] = value;
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        idp.says(&claims);
        let (status, next, page) = signed_in(&browser, &away, &[("code", "c")]).await;
        assert_eq!((status, next), (502, None), "{name}: {page}");
    }
    // Signed by somebody else.
    let other = Authority::start(|_| (404, json!({}))).await;
    let away = browser.agree("").await;
    *idp.id_token.lock().unwrap() = other.sign(&idp.claims("alice", &away));
    assert_eq!(signed_in(&browser, &away, &[("code", "c")]).await.0, 502);
    assert!(authority.asked("/token").is_empty());
    no_canary(&gateway);
}

#[tokio::test]
async fn a_sign_in_counts_once_in_the_browser_that_began_and_from_the_issuer_that_was_asked() {
    let (idp, authority) = (Idp::start().await, agreeing(3600).await);
    let (_upstream, gateway) = over(&idp, &authority).await;
    let (_client, _stream, _, browser) = sent(&gateway, &idp).await;
    let refused = async |browser: &Browser, away: &Away, more: &[(&str, &str)]| {
        let (status, next, page) = signed_in(browser, away, more).await;
        assert_eq!((status, next), (400, None), "{page}");
        assert!(idp.authority.asked("/token").is_empty(), "the code is not looked at");
    };
    let away = browser.agree("").await;
    let thief = Browser { cookie: "myelin-connect=AAAAAAAAAAAAAAAAAAAAAA".to_owned(), ..browser.clone() };
    refused(&thief, &away, &[("code", "c")]).await;
    refused(&browser, &away, &[("code", "c")]).await;
    let mut away = browser.agree("").await;
    let elsewhere = format!("http://{}/connect/signed-in/evil.example", browser.address);
    away.query.insert("redirect_uri".to_owned(), elsewhere);
    refused(&browser, &away, &[("code", "c")]).await;
    refused(&browser, &browser.agree("").await, &[("code", "c"), ("iss", "https://evil.example")]).await;
    refused(&browser, &browser.agree("").await, &[("error", "access_denied")]).await;
    let away = browser.agree("").await;
    idp.says(&idp.claims("alice", &away));
    assert_eq!(signed_in(&browser, &away, &[("code", "c")]).await.0, 303);
    assert_eq!(signed_in(&browser, &away, &[("code", "c")]).await.0, 400, "used");
    assert_eq!(idp.authority.asked("/token").len(), 1);
}

#[tokio::test]
async fn a_page_that_is_reached_with_the_callers_certificate_asks_for_nothing_more() {
    let (ca, authority, upstream) = (Ca::new("clients"), agreeing(3600).await, modern().await);
    let files = Files::new(&ca);
    let mut settings = super::super::settings(&upstream, Value::Null, credential(&authority));
    settings["tls"] = files.tls("optional");
    settings["auth"] = json!({ "publicUrl": "https://localhost", "certificates": [{ "from": "san-uri" }] });
    settings["http"] = json!({ "allowedHosts": ["localhost"] });
    let gateway = Gateway::start(settings).await;
    let (agent, other) = (ca.issue(1, "agents/one", 2099), ca.issue(2, "agents/two", 2099));
    let mut own = connect(&gateway, &files, Some(&agent)).await.unwrap();
    let body = Modern::of(&gateway).capable(VISITS).body(1, "tools/call", r#""name":"echo","arguments":{}"#);
    let headers = [
        ("host", "localhost"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ];
    let answer = send(&mut own, &request("POST", "/mcp", &headers, body.as_bytes())).await.unwrap();
    let path = answer.split("https://localhost").nth(1).unwrap_or_else(|| panic!("{answer}"));
    let path = path.split('"').next().unwrap().to_owned();
    let (page, cookie, form) = open(&gateway, &files, Some(&agent), &path).await;
    assert!(!page.contains("name=\"key\""), "{page}");
    let agree = async |shown| {
        let mut stream = connect(&gateway, &files, shown).await.unwrap();
        let headers =
            [("host", "localhost"), ("content-type", "application/x-www-form-urlencoded"), ("cookie", &*cookie)];
        send(&mut stream, &request("POST", &path, &headers, format!("form={form}").as_bytes())).await.unwrap()
    };
    for stranger in [None, Some(&other)] {
        let refused = agree(stranger).await;
        assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("with the certificate"), "{refused}");
    }
    let agreed = agree(Some(&agent)).await;
    assert!(
        agreed.starts_with("HTTP/1.1 303 ") && agreed.contains(&format!("{}/authorize", authority.url)),
        "{agreed}"
    );
}

/// A page, the cookie that came with it, and what its form carries.
async fn open(
    gateway: &Gateway,
    files: &Files,
    shown: Option<&crate::kit::tls::Shown>,
    path: &str,
) -> (String, String, String) {
    let mut stream = connect(gateway, files, shown).await.unwrap();
    let page = send(&mut stream, &request("GET", path, &[("host", "localhost")], b"")).await.unwrap();
    let part = |before: &str, after: char| {
        page.split(before).nth(1).unwrap_or_else(|| panic!("{page}")).split(after).next().unwrap().to_owned()
    };
    let (cookie, form) = (part("set-cookie: ", ';'), part("name=\"form\" value=\"", '"'));
    (page, cookie, form)
}
