//! Every credential that does not let its bearer in, and what each is told: the status, the challenge and the body, to the letter, in both
//! eras and over every way in.

use std::fs;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    ALICE, RESOURCE,
    authority::{Asked, Authority, Says},
    base64,
    issuer::{Issuer, Signer},
    over,
};
use crate::kit::{Client, Gateway, MODERN, Modern, NEWEST_LEGACY, Upstream, request};

/// What somebody is told who does not come in.
#[derive(Clone, Copy)]
struct Told {
    status: u16,
    error: Option<(&'static str, &'static str)>,
    sentence: &'static str,
}

const NO_TOKEN: Told =
    Told { status: 401, error: None, sentence: "A token is needed: send it as Authorization: Bearer" };
const INVALID: Told = Told {
    status: 401,
    error: Some(("invalid_token", "The token is expired, revoked, or not for this resource")),
    sentence: "The token is not valid here; get a new one",
};
const POOR: Told = Told {
    status: 403,
    error: Some(("insufficient_scope", "The token lacks a scope")),
    sentence: "The token lacks a scope; ask for one with those of the challenge",
};
const UNCLEAR: Option<(&str, &str)> = Some(("invalid_request", "The credentials cannot be read"));
const TWO: Told = Told { status: 400, error: UNCLEAR, sentence: "Authorization is given more than once" };
const SCHEME: Told = Told { status: 400, error: UNCLEAR, sentence: "Authorization must be `Bearer` and a token" };
const IN_QUERY: Told = Told {
    status: 400,
    error: UNCLEAR,
    sentence: "A token does not belong into the address: send it as Authorization: Bearer",
};

impl Told {
    fn challenge(self) -> String {
        let error = self.error.map(|(code, text)| format!("error=\"{code}\", error_description=\"{text}\", "));
        let metadata = "resource_metadata=\"http://127.0.0.1/.well-known/oauth-protected-resource/mcp\"";
        format!("Bearer {}{metadata}, scope=\"mcp:basic mcp:here\"", error.unwrap_or_default())
    }

    fn body(self) -> String {
        format!(r#"{{"jsonrpc":"2.0","error":{{"code":-32600,"message":"{}"}}}}"#, self.sentence)
    }
}

struct Row {
    what: &'static str,
    credentials: Vec<String>,
    query: String,
    told: Told,
}

fn row(what: &'static str, told: Told, token: &str) -> Row {
    Row { what, credentials: vec![format!("Bearer {token}")], query: String::new(), told }
}

/// A gateway where somebody may be known by everything.
struct Ground {
    signer: Signer,
    issuer: Issuer,
    gateway: Gateway,
    _others: (Upstream, Authority, Authority, TempDir),
}

impl Ground {
    async fn new() -> Self {
        let (signer, folder) = (Signer::new("k1"), TempDir::new().unwrap());
        fs::write(folder.path().join("token"), "own-token").unwrap();
        let issuer = Issuer::start(&signer).await;
        let opaque = Authority::start(|asked: &Asked| match asked.field("token").unwrap() {
            "opaque-for-another" => {
                Says::Json(200, json!({ "active": true, "aud": "https://other.example", "sub": "u" }))
            }
            "opaque-and-poor" => Says::Json(200, json!({ "active": true, "aud": RESOURCE, "sub": "u", "scope": "x" })),
            _ => Says::Json(200, json!({ "active": false })),
        })
        .await;
        let cluster = Authority::start(|asked: &Asked| {
            let review = asked.json();
            let (status, user) = match review["spec"]["token"].as_str().unwrap().rsplit('.').next().unwrap() {
                "foreign" => (json!(["myelin"]), "system:serviceaccount:web:front"),
                _ => (json!(["https://other.example"]), "system:serviceaccount:ci:runner"),
            };
            let status = json!({ "authenticated": true, "user": { "username": user }, "audiences": status });
            Says::Json(201, json!({ "status": status }))
        })
        .await;
        let auth = json!({
            "apiKeys": [{ "id": "alice", "token": ALICE }, { "id": "gone", "token": "tok-gone-0123456789ab", "expires": "2020-01-01" }],
            "issuers": [{ "issuer": issuer.url }],
            "introspection": [{ "url": opaque.url, "clientId": "c", "clientSecret": "s" }],
            "kubernetes": {
                "audience": "myelin", "allowed": ["ci/*"], "apiServer": cluster.url, "tokenFile": folder.path().join("token"),
            },
            "scopes": ["mcp:basic"],
        });
        let (upstream, gateway) = over_with(auth).await;
        Self { signer, issuer, gateway, _others: (upstream, opaque, cluster, folder) }
    }

    fn token(&self, name: &str, value: Value) -> String {
        self.signer.sign(&self.claims(name, value))
    }

    fn claims(&self, name: &str, value: Value) -> Value {
        let mut claims = self.issuer.but("scope", json!("mcp:basic mcp:here"));
        claims[name] = value;
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    fn rows(&self) -> Vec<Row> {
        let now = get_current_timestamp();
        let claims = self.claims("x", json!(1));
        let valid = self.signer.sign(&claims);
        let unsigned = |alg: &str| {
            let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"k1"}}"#);
            format!("{}.{}.", base64(&header), base64(&claims.to_string()))
        };
        let mut confused = Header::new(Algorithm::HS256);
        confused.kid = Some("k1".to_owned());
        let public = EncodingKey::from_secret(self.signer.public().to_string().as_bytes());
        let account = |fate: &str| {
            let claims =
                json!({ "iss": "https://cluster", "sub": "system:serviceaccount:ci:runner", "exp": now + 600 });
            format!("{}.{}.{fate}", base64(r#"{"alg":"RS256"}"#), base64(&claims.to_string()))
        };
        let many = |credentials: &[&str], told, what| {
            let credentials = credentials.iter().map(|&value| value.to_owned()).collect();
            Row { what, credentials, query: String::new(), told }
        };
        let bearer = format!("Bearer {valid}");
        vec![
            many(&[], NO_TOKEN, "no token"),
            row("expired", INVALID, &self.token("exp", json!(now - 120))),
            row("without an end", INVALID, &self.token("exp", Value::Null)),
            row("not valid yet", INVALID, &self.token("nbf", json!(now + 600))),
            row("issued in the future", INVALID, &self.token("iat", json!(now + 600))),
            row("for another audience", INVALID, &self.token("aud", json!("https://other.example/mcp"))),
            row("for no audience", INVALID, &self.token("aud", Value::Null)),
            row("of another issuer", INVALID, &self.token("iss", json!("https://evil.example"))),
            row("nobody's", INVALID, &self.token("sub", Value::Null)),
            row("unsigned", INVALID, &unsigned("none")),
            row("unsigned, otherwise spelled", INVALID, &unsigned("nOnE")),
            row("signed with the public key", INVALID, &encode(&confused, &claims, &public).unwrap()),
            row("of an unknown key", INVALID, &Signer::new("k9").sign(&claims)),
            row("of another key of that name", INVALID, &Signer::new("k1").sign(&claims)),
            row("changed", INVALID, &valid.replacen(".ey", ".eyJ4IjoxfQ", 1)),
            row("an ID token", INVALID, &self.id_token()),
            row("an ID token by its own word", INVALID, &self.token("typ", json!("ID"))),
            row("a token of another type", INVALID, &self.signer.sign_as(Some("logout+jwt"), &claims)),
            row("revoked", INVALID, "opaque-and-revoked"),
            row("opaque, for another audience", INVALID, "opaque-for-another"),
            row("opaque, without a scope", POOR, "opaque-and-poor"),
            row("a foreign service account", INVALID, &account("foreign")),
            row("a service account for another audience", INVALID, &account("elsewhere")),
            row("no key", INVALID, "tok-nobody-0123456789"),
            row("a key that has expired", INVALID, "tok-gone-0123456789ab"),
            row("a mistyped key", INVALID, "myl_ci_AAAA_xxxxxx"),
            row("without the scope of all endpoints", POOR, &self.token("scope", json!("mcp:here"))),
            row("without the scope of this endpoint", POOR, &self.token("scope", json!("mcp:basic"))),
            many(&[&bearer, &bearer], TWO, "two tokens"),
            many(&["Basic YWxpY2U6eA=="], SCHEME, "another scheme"),
            Row { query: format!("?access_token={ALICE}"), ..many(&[], IN_QUERY, "a token in the address") },
            Row { query: format!("?access_token={ALICE}"), ..many(&[&bearer], IN_QUERY, "a token in both") },
        ]
    }

    /// What a client learns of its user with: it has the audience here, as with an issuer that is careless.
    fn id_token(&self) -> String {
        let mut claims = self.claims("nonce", json!("n"));
        claims["at_hash"] = json!("h");
        self.signer.sign(&claims)
    }
}

async fn over_with(auth: Value) -> (Upstream, Gateway) {
    let upstream = Upstream::new(crate::kit::Era::Modern, crate::kit::Wire::Http).await;
    let mut settings = crate::kit::config(&[("up", &upstream)]);
    settings["auth"] = auth;
    settings["endpoints"]["/mcp"]["scopes"] = json!(["mcp:here"]);
    (upstream, Gateway::start(settings).await)
}

/// The method, the path, the headers and the content of a request.
type Way = (&'static str, &'static str, Vec<(&'static str, &'static str)>, String);

/// Each way in: the method, the path, the headers and the content, of both eras.
fn ways(gateway: &Gateway) -> Vec<Way> {
    let post = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    let modern = [post.as_slice(), &[("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")]].concat();
    let old = [post.as_slice(), &[("mcp-protocol-version", NEWEST_LEGACY), ("mcp-session-id", "x")]].concat();
    let stream = vec![("accept", "text/event-stream"), ("mcp-session-id", "x"), ("last-event-id", "1/1")];
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"it","version":"1"}}}"#;
    vec![
        ("POST", "/mcp", modern, Modern::of(gateway).body(1, "tools/list", "")),
        ("POST", "/mcp", post.to_vec(), initialize.to_owned()),
        ("POST", "/mcp", old, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned()),
        ("POST", "/mcp", post.to_vec(), "no message at all".to_owned()),
        ("GET", "/mcp", stream.clone(), String::new()),
        ("DELETE", "/mcp", stream.clone(), String::new()),
        ("GET", "/sse", stream, String::new()),
        ("POST", "/messages", post.to_vec(), "{}".to_owned()),
    ]
}

#[tokio::test]
async fn whoever_does_not_come_in_is_told_exactly_this() {
    let ground = Ground::new().await;
    for Row { what, credentials, query, told } in ground.rows() {
        for (method, path, headers, body) in ways(&ground.gateway) {
            let mut headers: Vec<(&str, &str)> = headers;
            headers.extend(credentials.iter().map(|value| ("authorization", value.as_str())));
            let bytes = request(method, &format!("{path}{query}"), &headers, body.as_bytes());
            let answer = Client::exchange(&ground.gateway.address, &bytes).await;
            let place = format!("{what}: {method} {path}");
            assert_eq!(answer.status, told.status, "{place}");
            assert_eq!(answer.header("www-authenticate"), Some(told.challenge().as_str()), "{place}");
            assert_eq!(answer.header("content-type"), Some("application/json"), "{place}");
            assert_eq!(answer.header("mcp-session-id"), None, "{place}");
            assert_eq!(answer.header("retry-after"), None, "{place}");
            assert_eq!(answer.text().await, told.body(), "{place}");
        }
    }
    let valid = ground.token("x", json!(1));
    assert_eq!(Modern::of(&ground.gateway).bearing(&valid).send(1, "tools/list", "").await.status, 200);
}

#[tokio::test]
async fn a_key_that_was_rotated_out_signs_nothing_any_more() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let issuer = Issuer::start(&old).await;
    let (_upstream, gateway) = over(json!({ "issuers": [{ "issuer": issuer.url }] })).await;
    let status = async |token: String| Modern::of(&gateway).bearing(&token).send(1, "tools/list", "").await.status;
    assert_eq!(status(old.sign(&issuer.claims())).await, 200);
    *issuer.keys.lock().unwrap() = vec![new.public()];
    assert_eq!(status(new.sign(&issuer.claims())).await, 200, "fetched when it is first seen");
    assert_eq!(status(old.sign(&issuer.but("sub", json!("u2")))).await, 401);
}
