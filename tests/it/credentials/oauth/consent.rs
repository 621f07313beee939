//! The way to consent: who is asked, who may answer, and what comes back.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{ALICE, BOB, VISITS, agreeing, asked, browser::Browser, credential, keys, legacy, modern, no_canary, over};
use crate::kit::{Client, Era, Gateway, Legacy, Modern, Upstream, Wire, request, text};

#[tokio::test]
async fn a_legacy_client_is_asked_in_mid_call_and_the_call_goes_on() {
    let authority = agreeing(3600).await;
    for (era, wire) in [(Era::Modern, Wire::Http), (Era::Legacy, Wire::Http)] {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::start(super::super::settings(&upstream, keys(), credential(&authority))).await;
        let client = legacy(&gateway, ALICE).await;
        let (mut stream, question, url) = asked(&client, 1).await;
        assert_eq!((upstream.headers("authorization"), upstream.count("tools/call")), ([None].into(), 0));
        client.reply(&question["id"], r#"{"action":"accept"}"#).await;
        let browser = Browser::at(&url).await;
        assert!(browser.page.contains("Connect up") && !browser.page.contains("alice"), "{}", browser.page);
        let away = browser.agree(ALICE).await;
        assert_eq!(away.target, format!("{}/authorize", authority.url));
        assert_eq!((away.query["response_type"].as_str(), away.query["client_id"].as_str()), ("code", "myelin"));
        assert_eq!(away.query["scope"], "use");
        assert_eq!(away.query["resource"], format!("http://{}/mcp", upstream.address()));
        assert_eq!(away.query["redirect_uri"], format!("http://{}/connect/callback/up", gateway.address));
        assert_eq!(away.query["code_challenge_method"], "S256");
        assert_eq!(browser.back(&away, &[("code", "c1")]).await.0, 200);
        let granted = authority.asked("/token").pop().unwrap();
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, granted.field("code_verifier").unwrap().as_bytes()));
        assert_eq!(challenge, away.query["code_challenge"]);
        assert_eq!(granted.field("resource"), Some(away.query["resource"].as_str()));
        assert_eq!(granted.field("redirect_uri"), Some(away.query["redirect_uri"].as_str()));
        assert!(granted.head.header("authorization").unwrap().starts_with("Basic "));
        let mut arrived = upstream.take("tools/call").await;
        assert_eq!(arrived.header("authorization"), Some("Bearer canary-access-c1"));
        arrived.text_result("done").await;
        let complete = stream.message().await;
        assert_eq!(complete["method"], "notifications/elicitation/complete");
        assert_eq!(complete["params"]["elicitationId"], question["params"]["elicitationId"]);
        assert_eq!(stream.message().await["result"]["content"][0]["text"], "done");
        assert_eq!(super::shown(&gateway, &upstream, ALICE).await, "canary-access-c1", "nobody is asked again");
        no_canary(&gateway);
    }
}

#[tokio::test]
async fn a_modern_client_is_asked_by_a_round_of_its_own() {
    let authority = agreeing(3600).await;
    let (upstream, gateway) = over(&authority).await;
    let client = Modern::of(&gateway).bearing(ALICE).capable(VISITS);
    let round = client.call(1, "echo", "{}").await.response().await["result"].clone();
    assert_eq!(round["resultType"], "input_required", "{round}");
    let (name, request) = round["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(request["method"], "elicitation/create");
    let browser = Browser::at(request["params"]["url"].as_str().unwrap()).await;
    let away = browser.agree(ALICE).await;
    assert_eq!(browser.back(&away, &[("code", "c2")]).await.0, 200);
    let state = &round["requestState"];
    let members = format!(
        r#""name":"echo","arguments":{{}},"requestState":{state},"inputResponses":{{"{name}":{{"action":"accept"}}}}"#
    );
    let call = client.begin(2, "tools/call", &members).await;
    let mut arrived = upstream.take("tools/call").await;
    assert_eq!(arrived.header("authorization"), Some("Bearer canary-access-c2"));
    arrived.text_result("done").await;
    assert_eq!(text(call.answer().await).await, "done");
    no_canary(&gateway);
}

#[tokio::test]
async fn a_client_that_visits_no_urls_is_told_where_to_go() {
    let authority = agreeing(3600).await;
    let (_upstream, gateway) = over(&authority).await;
    let refusal = Modern::of(&gateway).bearing(ALICE).call(1, "echo", "{}").await.refused(200, 1010).await;
    let url = refusal["error"]["data"]["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("http://{}/connect/to/", gateway.address)), "{refusal}");
    let client = Legacy::open_bearing(&gateway, ALICE, "{}").await;
    let response = client.call(1, "echo", "{}").await.response().await;
    assert_eq!(response["result"]["isError"], true, "{response}");
    assert!(response["result"]["content"][0]["text"].as_str().unwrap().contains(url), "{response}");
}

#[tokio::test]
async fn who_declines_is_not_connected_and_nothing_is_called() {
    let authority = agreeing(3600).await;
    let (upstream, gateway) = over(&authority).await;
    let client = legacy(&gateway, ALICE).await;
    let (mut stream, question, _) = asked(&client, 1).await;
    client.reply(&question["id"], r#"{"action":"decline"}"#).await;
    let response = stream.message().await;
    assert_eq!(response["result"]["isError"], true, "{response}");
    assert_eq!(upstream.count("tools/call"), 0);
}

#[tokio::test]
async fn nobody_but_the_caller_can_connect_their_account() {
    let authority = agreeing(3600).await;
    let (upstream, gateway) = over(&authority).await;
    let client = legacy(&gateway, ALICE).await;
    let (_stream, _, url) = asked(&client, 1).await;
    let victim = Browser::at(&url).await;
    let (status, location, page) = victim.send(BOB).await;
    assert_eq!((status, location), (403, None), "{page}");
    assert!(!page.contains("alice") && !page.contains("bob"), "{page}");
    // A form that was made for another browser, or for none.
    let other = Browser { cookie: "myelin-connect=AAAAAAAAAAAAAAAAAAAAAA".to_owned(), ..victim.clone() };
    assert_eq!(other.send(ALICE).await.0, 400);
    assert_eq!(Browser { form: String::new(), ..victim.clone() }.send(ALICE).await.0, 400);
    assert_eq!(Browser { cookie: "a=b".to_owned(), ..victim.clone() }.send(ALICE).await.0, 400);
    for attempt in 2..=5 {
        assert_eq!(victim.send("canary-guess-0123456789").await.0, if attempt < 5 { 403 } else { 400 });
    }
    assert_eq!(victim.send(ALICE).await.0, 404, "after so many wrong ones it ends");
    assert!(authority.asked("/token").is_empty() && upstream.count("tools/call") == 0);
    no_canary(&gateway);
}

#[tokio::test]
async fn what_comes_back_counts_once_from_the_same_browser_at_the_same_address() {
    let authority = agreeing(3600).await;
    let (upstream, other) = (modern().await, modern().await);
    let mut settings = crate::kit::config(&[("up", &upstream), ("other", &other)]);
    settings["auth"] = keys();
    settings["mcpServers"]["up"]["auth"] = credential(&authority);
    settings["mcpServers"]["other"]["auth"] = credential(&authority);
    settings["endpoints"] = json!({ "/mcp": { "servers": ["up"] } });
    let gateway = Gateway::start(settings).await;
    let client = legacy(&gateway, ALICE).await;
    let (_stream, _, url) = asked(&client, 1).await;
    let browser = Browser::at(&url).await;
    let refused = async |browser: &Browser, target: &str| {
        let (status, page) = browser.open(target).await;
        assert_eq!(status, 400, "{page}");
        assert!(authority.asked("/token").is_empty());
    };
    let away = browser.agree(ALICE).await;
    refused(&browser, "/connect/callback/up?state=made-up&code=c").await;
    refused(&browser, "/connect/callback/up?code=c").await;
    let state = |away: &super::browser::Away| away.query["state"].clone();
    let thief = Browser { cookie: "myelin-connect=AAAAAAAAAAAAAAAAAAAAAA".to_owned(), ..browser.clone() };
    refused(&thief, &format!("/connect/callback/up?state={}&code=c", state(&away))).await;
    refused(&browser, &format!("/connect/callback/up?state={}&code=c", state(&away))).await;
    let away = browser.agree(ALICE).await;
    refused(&browser, &format!("/connect/callback/other?state={}&code=c", state(&away))).await;
    let away = browser.agree(ALICE).await;
    assert_eq!(browser.back(&away, &[("code", "good")]).await.0, 200);
    assert_eq!(browser.back(&away, &[("code", "again")]).await.0, 400, "used");
    assert_eq!(authority.asked("/token").len(), 1);
}

#[tokio::test]
async fn an_answer_of_another_authorization_server_is_not_looked_at() {
    let authority = agreeing(3600).await;
    let (_upstream, gateway) = over(&authority).await;
    let client = legacy(&gateway, ALICE).await;
    let (_stream, _, url) = asked(&client, 1).await;
    let browser = Browser::at(&url).await;
    let own = authority.url.clone();
    for (promised, iss, error, status) in [
        (true, None, false, 400),
        (true, Some("https://evil.example"), false, 400),
        (false, Some("https://evil.example"), false, 400),
        (false, Some("https://evil.example"), true, 400),
        (true, Some(&*own), true, 400),
        (true, Some(&*own), false, 200),
    ] {
        authority.says("authorization_response_iss_parameter_supported", json!(promised));
        let away = browser.agree(ALICE).await;
        let mut more = vec![if error { ("error", "canary_shown") } else { ("code", "c") }];
        more.extend(iss.map(|iss| ("iss", iss)));
        let (answered, page) = browser.back(&away, &more).await;
        assert_eq!(answered, status, "{promised} {iss:?} {error}: {page}");
        assert!(!page.contains("canary") && !page.contains("evil"), "{page}");
        assert_eq!(authority.asked("/token").len(), usize::from(status == 200));
    }
}

#[tokio::test]
async fn the_server_itself_says_where_to_go_and_the_gateway_registers_itself_there() {
    let authority = agreeing(3600).await;
    authority.says("registration_endpoint", json!(format!("{}/register", authority.url)));
    authority.says("scopes_supported", json!(["offline_access", "x"]));
    let upstream = modern().await;
    upstream.takes("ping");
    let resource = format!("http://{}/mcp", upstream.address());
    let (issuer, about) = (authority.url.clone(), resource.clone());
    authority.answers(move |asked| match asked.path.as_str() {
        "/prm" => (200, json!({ "resource": about, "authorization_servers": [issuer] })),
        "/register" => (201, json!({ "client_id": "registered" })),
        "/token" => (200, json!({ "access_token": "canary-access-c3", "token_type": "Bearer" })),
        _ => (404, json!({})),
    });
    let mut settings = super::super::settings(&upstream, keys(), json!({ "oauth": {} }));
    settings["egress"] = json!({ "allow": ["127.0.0.0/8"] });
    let gateway = Gateway::start(settings).await;
    let client = legacy(&gateway, ALICE).await;
    let (_stream, question, url) = asked(&client, 1).await;
    client.reply(&question["id"], r#"{"action":"accept"}"#).await;
    let browser = Browser::at(&url).await;
    let says = async {
        let ping = upstream.take("ping").await;
        let challenge =
            format!("www-authenticate: Bearer resource_metadata=\"{}/prm\", scope=\"a b\"\r\n", authority.url);
        ping.respond(401, &challenge, "").await;
    };
    let (away, ()) = tokio::join!(browser.agree(ALICE), says);
    assert_eq!((away.query["client_id"].as_str(), away.query["scope"].as_str()), ("registered", "a b offline_access"));
    let wish: Value = serde_json::from_str(&authority.asked("/register")[0].body).unwrap();
    assert_eq!(wish["redirect_uris"], json!([away.query["redirect_uri"]]));
    assert_eq!((&wish["application_type"], &wish["token_endpoint_auth_method"]), (&json!("native"), &json!("none")));
    assert_eq!(browser.back(&away, &[("code", "c3")]).await.0, 200);
    let granted = authority.asked("/token").pop().unwrap();
    assert_eq!((granted.field("client_id"), granted.head.header("authorization")), (Some("registered"), None));
    assert_eq!(upstream.take("tools/call").await.header("authorization"), Some("Bearer canary-access-c3"));
}

#[tokio::test]
async fn an_authorization_server_that_cannot_be_trusted_with_a_code_is_not_used() {
    let authority = agreeing(3600).await;
    let (_upstream, gateway) = over(&authority).await;
    let client = legacy(&gateway, ALICE).await;
    let (_stream, _, url) = asked(&client, 1).await;
    let browser = Browser::at(&url).await;
    let own = format!("{}/authorize", authority.url);
    for (name, bad, good) in [
        ("code_challenge_methods_supported", json!(["plain"]), json!(["S256"])),
        ("code_challenge_methods_supported", Value::Null, json!(["S256"])),
        ("authorization_endpoint", json!("javascript:alert(1)"), json!(own)),
        ("authorization_endpoint", json!("http://evil.example/authorize"), json!(own)),
        ("issuer", json!("https://evil.example"), json!(authority.url)),
    ] {
        authority.says(name, bad.clone());
        let (status, _, page) = browser.send(ALICE).await;
        assert_eq!(status, 502, "{name} {bad}: {page}");
        authority.says(name, good);
    }
    assert_eq!(browser.send(ALICE).await.0, 303);
}

#[tokio::test]
async fn a_client_document_lists_where_users_come_back_to() {
    let authority = agreeing(3600).await;
    let (_upstream, gateway) = over(&authority).await;
    let answer = Client::exchange(&gateway.address, &request("GET", "/oauth/client-metadata.json", &[], b"")).await;
    let document: Value = serde_json::from_str(&answer.text().await).unwrap();
    assert_eq!(document["redirect_uris"], json!([format!("http://{}/connect/callback/up", gateway.address)]));
    assert_eq!(document["client_id"], format!("http://{}/oauth/client-metadata.json", gateway.address));
}

#[tokio::test]
async fn on_loopback_without_keys_the_one_user_confirms() {
    let authority = agreeing(3600).await;
    let (upstream, gateway) = super::super::over(Value::Null, credential(&authority)).await;
    let client = Legacy::open_with(&gateway, "2025-11-25", VISITS).await;
    let (_stream, question, url) = asked(&client, 1).await;
    client.reply(&question["id"], r#"{"action":"accept"}"#).await;
    let browser = Browser::at(&url).await;
    assert!(!browser.page.contains("name=\"key\""), "{}", browser.page);
    let away = browser.agree("").await;
    assert_eq!(browser.back(&away, &[("code", "c")]).await.0, 200);
    assert_eq!(upstream.take("tools/call").await.header("authorization"), Some("Bearer canary-access-c"));
}
