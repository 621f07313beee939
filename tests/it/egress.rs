//! Where an issuer's metadata may send the gateway: a listener that must not be reached hears nothing.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinHandle,
};

use crate::kit::{Client, Era, Gateway, MODERN, Modern, Upstream, Wire, config, request};

/// A server of one answer to everything, and how often somebody connected.
struct Peer {
    url: String,
    heard: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Peer {
    /// `answer` makes head and body of the peer's own address and the path that is asked for.
    async fn start(answer: impl Fn(&str, &str) -> (String, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(AtomicUsize::new(0));
        let (own, count) = (url.clone(), heard.clone());
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                let _ = stream.read_line(&mut line).await;
                let (head, body) = answer(&own, line.split(' ').nth(1).unwrap_or_default());
                let body = body.to_string();
                let length = body.len();
                let text = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
                let _ = stream.get_mut().write_all(text.as_bytes()).await;
                let _ = stream.get_mut().shutdown().await;
            }
        });
        Self { url, heard, serving }
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }

    fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An issuer whose metadata says that its keys are there; from its own `/keys` it sends whoever asks there.
async fn issuer(keys: String) -> Peer {
    Peer::start(move |own, path| match path {
        "/keys" => (format!("302 Found\r\nlocation: {keys}"), json!({})),
        _ if keys.is_empty() => ("404 Not Found".to_owned(), json!({})),
        _ => {
            let named = keys.strip_prefix("redirect ").map_or(keys.clone(), |_| format!("{own}/keys"));
            ("200 OK".to_owned(), json!({ "issuer": own, "jwks_uri": named }))
        }
    })
    .await
}

/// A call with a token of that issuer.
async fn call(gateway: &Gateway, issuer: &Peer) -> u16 {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let claims = json!({ "iss": issuer.url, "aud": "http://127.0.0.1/mcp", "sub": "u", "exp": 4_000_000_000_u64 });
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let token = format!("Bearer {}", encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap());
    let body = Modern::of(gateway).body(1, "tools/list", "");
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
        ("authorization", token.as_str()),
    ];
    Client::exchange(&gateway.address, &request("POST", "/mcp", &headers, body.as_bytes())).await.status
}

#[tokio::test]
async fn metadata_does_not_lead_the_gateway_into_its_own_network() {
    let canary = Peer::start(|_, _| ("200 OK".to_owned(), json!({ "keys": [] }))).await;
    let port = canary.port();
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    // Where the keys are said to be, what the operator allows, and how often the canary then hears of it.
    let cases = [
        (format!("http://127.0.0.1:{port}/keys"), json!([]), 0),
        (format!("http://localhost:{port}/keys"), json!([]), 0),
        (format!("https://127.0.0.1:{port}/keys"), json!([]), 0),
        (format!("https://[::ffff:127.0.0.1]:{port}/keys"), json!([]), 0),
        (format!("https://0.0.0.0:{port}/keys"), json!(["10.0.0.0/8"]), 0),
        (format!("http://127.1.1.1:{port}/keys"), json!([]), 0),
        ("http://169.254.169.254/latest/meta-data".to_owned(), json!([]), 0),
        ("https://169.254.169.254/latest/meta-data".to_owned(), json!([]), 0),
        (format!("redirect http://127.0.0.1:{port}/keys"), json!(["127.0.0.0/8"]), 0),
        (format!("http://127.0.0.1:{port}/keys"), json!(["127.0.0.0/8"]), 1),
        (format!("https://localhost:{port}/keys"), json!(["localhost"]), 1),
    ];
    for (keys, allow, expected) in cases {
        let issuer = issuer(keys.clone()).await;
        let mut settings = config(&[("up", &upstream)]);
        settings["auth"] = json!({ "issuers": [{ "issuer": issuer.url }] });
        settings["egress"] = json!({ "allow": allow });
        let gateway = Gateway::start(settings).await;
        let before = canary.heard();
        // The canary's plain answer holds no key; without an answer no key is at hand to judge the token by.
        let status = if expected == 1 && keys.starts_with("http:") { 401 } else { 503 };
        assert_eq!(call(&gateway, &issuer).await, status, "{keys}");
        assert!(issuer.heard() > 0, "{keys}: the metadata was not even asked for");
        assert_eq!(canary.heard() - before, expected, "{keys}");
        gateway.stop().await;
    }
}
