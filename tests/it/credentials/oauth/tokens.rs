//! What comes of consent: tokens that are kept, replaced, and never another's.

use std::{fs, os::unix::fs::PermissionsExt};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    ALICE, BOB, VISITS, agreeing, asked, browser::Browser, connect, credential, keys, legacy, modern, no_canary, over,
    shown,
};
use crate::kit::{Gateway, Modern, text};

#[tokio::test]
async fn one_user_s_token_never_serves_another() {
    let authority = agreeing(3600).await;
    let (upstream, gateway) = over(&authority).await;
    connect(&gateway, &upstream, ALICE, "of-alice").await;
    Modern::of(&gateway).bearing(BOB).call(1, "echo", "{}").await.refused(200, 1010).await;
    connect(&gateway, &upstream, BOB, "of-bob").await;
    for _ in 0..3 {
        assert_eq!(shown(&gateway, &upstream, ALICE).await, "canary-access-of-alice");
        assert_eq!(shown(&gateway, &upstream, BOB).await, "canary-access-of-bob");
    }
    no_canary(&gateway);
}

#[tokio::test]
async fn a_token_that_ended_is_replaced_with_the_newest_refresh_token_once_for_many() {
    let authority = agreeing(0).await;
    let (upstream, gateway) = over(&authority).await;
    let client = legacy(&gateway, ALICE).await;
    let (_stream, _, url) = asked(&client, 1).await;
    let browser = Browser::at(&url).await;
    let away = browser.agree(ALICE).await;
    assert_eq!(browser.back(&away, &[("code", "c")]).await.0, 200);
    upstream.take("tools/call").await.text_result("ok").await;
    let first = shown(&gateway, &upstream, ALICE).await;
    let second = shown(&gateway, &upstream, ALICE).await;
    assert_ne!(first, second, "each lives for no time");
    let refreshed: Vec<_> = authority.asked("/token").into_iter().skip(1).collect();
    let used: Vec<_> = refreshed.iter().map(|asked| asked.field("refresh_token").unwrap().to_owned()).collect();
    let mut distinct = used.clone();
    distinct.dedup();
    assert_eq!(used, distinct, "none is used twice");
    assert_eq!(refreshed[0].field("resource"), Some(&*format!("http://{}/mcp", upstream.address())));
    no_canary(&gateway);
}

#[tokio::test]
async fn many_calls_refresh_once() {
    let authority = agreeing(3600).await;
    let (upstream, gateway) = over(&authority).await;
    connect(&gateway, &upstream, ALICE, "c").await;
    authority.hold(true);
    let client = Modern::of(&gateway).bearing(ALICE);
    let mut calls = Vec::new();
    for id in 0..8 {
        calls.push(client.begin_call(id, "echo", "{}").await);
    }
    for _ in 0..8 {
        upstream.take("tools/call").await.respond(401, "", "").await;
    }
    authority.was_asked("/token", 2).await;
    authority.hold(false);
    for _ in 0..8 {
        let mut arrived = upstream.take("tools/call").await;
        assert_eq!(arrived.header("authorization"), Some("Bearer canary-access-2"));
        arrived.text_result("ok").await;
    }
    for call in calls {
        assert_eq!(text(call.answer().await).await, "ok");
    }
    assert_eq!(authority.asked("/token").len(), 2);
}

#[tokio::test]
async fn a_connection_that_was_ended_elsewhere_is_asked_for_again() {
    let authority = agreeing(3600).await;
    let (upstream, gateway) = over(&authority).await;
    connect(&gateway, &upstream, ALICE, "c").await;
    authority.answers(|asked| match asked.path.as_str() {
        "/token" => (400, json!({ "error": "invalid_grant" })),
        _ => (404, json!({})),
    });
    let call = Modern::of(&gateway).bearing(ALICE).begin_call(1, "echo", "{}").await;
    upstream.take("tools/call").await.respond(401, "", "").await;
    call.answer().await.refused(200, 1010).await;
    Modern::of(&gateway).bearing(ALICE).call(2, "echo", "{}").await.refused(200, 1010).await;
    assert_eq!(upstream.count("tools/call"), 2, "the second was not sent");
}

#[tokio::test]
async fn more_scopes_are_asked_for_together_with_the_old_ones_and_only_once() {
    let authority = agreeing(3600).await;
    let (upstream, gateway) = over(&authority).await;
    connect(&gateway, &upstream, ALICE, "c").await;
    let client = legacy(&gateway, ALICE).await;
    let call = client.begin_call(7, "echo", "{}").await;
    let wants = "www-authenticate: Bearer error=\"insufficient_scope\", scope=\"use write\"\r\n";
    upstream.take("tools/call").await.respond(403, wants, "").await;
    let mut stream = call.answer().await;
    let question = crate::kit::question(&mut stream).await;
    client.reply(&question["id"], r#"{"action":"accept"}"#).await;
    let browser = Browser::at(question["params"]["url"].as_str().unwrap()).await;
    let away = browser.agree(ALICE).await;
    assert_eq!(away.query["scope"], "use write");
    assert_eq!(browser.back(&away, &[("code", "more")]).await.0, 200);
    let again = upstream.take("tools/call").await;
    assert_eq!(again.header("authorization"), Some("Bearer canary-access-more"));
    again.respond(403, wants, "").await;
    loop {
        let message = stream.message().await;
        assert!(message["id"] == 7 || message["method"] == "notifications/elicitation/complete", "{message}");
        if !message["error"].is_null() {
            assert_eq!(message["error"]["code"], 1001, "{message}");
            break;
        }
    }
}

#[tokio::test]
async fn connections_survive_a_restart_sealed_and_are_nobody_else_s() {
    let authority = agreeing(3600).await;
    let upstream = modern().await;
    let state = tempfile::TempDir::new().unwrap();
    let mut settings = super::super::settings(&upstream, keys(), credential(&authority));
    settings["stateDir"] = json!(state.path());
    settings["sealing"] = json!({ "keys": ["canary-sealing-key-of-enough-characters"] });
    let gateway = Gateway::start(settings.clone()).await;
    connect(&gateway, &upstream, ALICE, "kept").await;
    gateway.stop().await;
    let files: Vec<_> =
        fs::read_dir(state.path().join("connections")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&files[0]).unwrap().contains("canary"));
    let gateway = Gateway::start(settings).await;
    assert_eq!(shown(&gateway, &upstream, ALICE).await, "canary-access-kept");
    Modern::of(&gateway).bearing(BOB).capable(VISITS).call(1, "echo", "{}").await.response().await;
    assert_eq!(authority.asked("/token").len(), 1);
    no_canary(&gateway);
}

#[tokio::test]
async fn an_operator_sees_who_is_connected_and_ends_it() {
    let authority = agreeing(3600).await;
    authority.says("revocation_endpoint", json!(format!("{}/revoke", authority.url)));
    let (upstream, gateway) = over(&authority).await;
    connect(&gateway, &upstream, ALICE, "c").await;
    let myelin = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_myelin"));
        command.arg("connections").args(["--admin", &gateway.admin]).args(arguments);
        let ran = crate::kit::soon("the command ends", command.output()).await.unwrap();
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap())
    };
    let (code, listed) = myelin(&["--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let connection = &listed["connections"][0];
    assert_eq!(
        (code, connection["principal"].as_str(), connection["server"].as_str()),
        (Some(0), Some("alice"), Some("up"))
    );
    assert_eq!((&connection["issuer"], &connection["scopes"]), (&json!(authority.url), &json!(["use"])));
    assert!(!listed.to_string().contains("canary"), "{listed}");
    let (code, table) = myelin(&[]).await;
    assert!(code == Some(0) && table.contains("alice") && table.contains("renewed"), "{table}");
    assert_eq!(myelin(&["revoke", "bob", "up"]).await.0, Some(1));
    assert_eq!(myelin(&["revoke", "alice", "up"]).await.0, Some(0));
    let told = authority.asked("/revoke").remove(0);
    assert_eq!((told.field("token"), told.field("token_type_hint")), (Some("canary-refresh-1"), Some("refresh_token")));
    // RFC 7009 section 2.1: a confidential client shows who it is there as well.
    assert_eq!(told.head.header("authorization"), Some(&*format!("Basic {}", STANDARD.encode("myelin:canary-secret"))));
    assert_eq!(told.field("client_secret"), None);
    Modern::of(&gateway).bearing(ALICE).call(9, "echo", "{}").await.refused(200, 1010).await;
    assert!(myelin(&[]).await.1.contains("nobody is connected"));
    no_canary(&gateway);
}

#[tokio::test]
async fn a_registration_is_kept_sealed_and_used_again_after_a_restart_until_it_is_not_known_any_more() {
    let authority = agreeing(3600).await;
    authority.says("registration_endpoint", json!(format!("{}/register", authority.url)));
    authority.says("revocation_endpoint", json!(format!("{}/revoke", authority.url)));
    let count = std::sync::atomic::AtomicUsize::new(0);
    let is_known = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let knows = is_known.clone();
    authority.answers(move |asked| match asked.path.as_str() {
        "/register" => {
            let count = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            (201, json!({ "client_id": format!("made-{count}"), "client_secret": "canary-made", "client_secret_expires_at": 0 }))
        }
        "/token" if knows.load(std::sync::atomic::Ordering::SeqCst) => {
            (200, json!({ "access_token": "canary-access-c", "token_type": "Bearer" }))
        }
        "/token" => (401, json!({ "error": "invalid_client" })),
        _ => (404, json!({})),
    });
    let upstream = modern().await;
    let state = tempfile::TempDir::new().unwrap();
    let credential = json!({ "oauth": { "issuer": authority.url, "scopes": ["use"] } });
    let mut settings = super::super::settings(&upstream, keys(), credential);
    settings["stateDir"] = json!(state.path());
    settings["sealing"] = json!({ "keys": ["canary-sealing-key-of-enough-characters"] });
    // The address to come back to is part of a registration.
    settings["auth"]["publicUrl"] = json!("http://127.0.0.1:9");
    let begin = async |gateway: &Gateway, token: &str| {
        let client = legacy(gateway, token).await;
        let (_stream, _, url) = asked(&client, 1).await;
        let browser = Browser::at(&url.replace("127.0.0.1:9", &gateway.address)).await;
        let away = browser.agree(token).await;
        (browser, away)
    };
    let gateway = Gateway::start(settings.clone()).await;
    assert_eq!(begin(&gateway, ALICE).await.1.query["client_id"], "made-0");
    gateway.stop().await;
    let files: Vec<_> =
        fs::read_dir(state.path().join("registrations")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&files[0]).unwrap().contains("canary"));
    let gateway = Gateway::start(settings).await;
    let (browser, away) = begin(&gateway, ALICE).await;
    assert_eq!(away.query["client_id"], "made-0", "registered once");
    is_known.store(false, std::sync::atomic::Ordering::SeqCst);
    let target = format!("/connect/callback/up?state={}&code=c", away.query["state"]);
    assert_eq!(browser.open(&target).await.0, 502);
    let shown = authority.asked("/token").pop().unwrap();
    assert_eq!(shown.head.header("authorization"), Some(&*format!("Basic {}", STANDARD.encode("made-0:canary-made"))));
    assert_eq!(begin(&gateway, BOB).await.1.query["client_id"], "made-1", "the authorization server forgot it");
    no_canary(&gateway);
}
