//! An authorization server whose every answer a test writes, and the tokens of its users.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::{
    http::{Framing, Head, body},
    until,
};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: Head,
    /// The fields of the query or of the form.
    pub(crate) fields: HashMap<String, String>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

type Answers = dyn FnMut(&Asked) -> (u16, Value) + Send;

/// An authorization server. What the test does not answer with something else than 404 is answered here: metadata and keys.
pub(crate) struct Authority {
    pub(crate) url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    asked: Mutex<Vec<Asked>>,
    answers: Mutex<Box<Answers>>,
    metadata: Mutex<Value>,
    secret: EncodingKey,
    held: watch::Sender<bool>,
    count: AtomicUsize,
}

impl Authority {
    pub(crate) async fn start(answers: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let metadata = json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "jwks_uri": format!("{url}/keys"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        });
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            answers: Mutex::new(Box::new(answers)),
            metadata: Mutex::new(metadata),
            secret: EncodingKey::from_ec_der(&pair.serialize_der()),
            held: watch::channel(false).0,
            count: AtomicUsize::new(0),
        });
        let serving = tokio::spawn(accept(listener, shared.clone()));
        Self { url, shared, serving }
    }

    /// One that grants `token-1`, `token-2` and so on for an hour.
    pub(crate) async fn granting() -> Self {
        let mut count = 0;
        Self::start(move |asked| match asked.path.as_str() {
            "/token" => {
                count += 1;
                (200, json!({ "access_token": format!("token-{count}"), "token_type": "Bearer", "expires_in": 3600 }))
            }
            _ => (404, json!({})),
        })
        .await
    }

    /// Changes what it says of itself; `null` takes a member out.
    pub(crate) fn says(&self, name: &str, value: Value) {
        let mut metadata = self.shared.metadata.lock().unwrap();
        metadata[name] = value;
        metadata.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }

    /// From now on it answers otherwise.
    pub(crate) fn answers(&self, answers: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) {
        *self.shared.answers.lock().unwrap() = Box::new(answers);
    }

    /// Holds its answers back, or lets them go.
    pub(crate) fn hold(&self, held: bool) {
        self.shared.held.send_replace(held);
    }

    /// What was asked at a path so far.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().iter().filter(|asked| asked.path == path).cloned().collect()
    }

    /// Waits until so many questions were asked at a path.
    pub(crate) async fn was_asked(&self, path: &str, count: usize) {
        until("the authorization server is asked", || self.asked(path).len() >= count).await;
    }

    /// Claims that the gateway takes, for one of its users.
    pub(crate) fn claims(&self, user: &str) -> Value {
        let now = get_current_timestamp();
        let id = self.shared.count.fetch_add(1, Ordering::SeqCst);
        json!({ "iss": self.url, "aud": "http://127.0.0.1/mcp", "sub": user, "jti": id, "exp": now + 600, "iat": now, "groups": ["staff"] })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("k1".to_owned());
        encode(&header, claims, &self.shared.secret).unwrap()
    }

    /// A token of one of its users: another one each time.
    pub(crate) fn token(&self, user: &str) -> String {
        self.sign(&self.claims(user))
    }

    /// `auth` of a gateway that takes its tokens.
    pub(crate) fn trusted(&self) -> Value {
        json!({ "issuers": [{ "issuer": self.url }] })
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move { serve(stream, &shared).await });
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let head = Head::read(&mut stream).await.ok()??;
    let content = body(&mut stream, head.framing(Framing::Length(0))).await.ok()?;
    let mut line = head.line.split(' ');
    let (method, target) = (line.next()?.to_owned(), line.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let content = String::from_utf8(content).ok()?;
    let fields = fields(if content.is_empty() { query } else { &content });
    let asked = Asked { method, path: path.to_owned(), head, fields, body: content };
    shared.asked.lock().unwrap().push(asked.clone());
    let _ = shared.held.subscribe().wait_for(|held| !held).await;
    let (status, answer) = answer(shared, &asked);
    let answer = answer.to_string();
    let head = format!("HTTP/1.1 {status} Scripted\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
    stream.get_mut().write_all(format!("{head}{answer}").as_bytes()).await.ok()?;
    stream.get_mut().shutdown().await.ok()
}

fn answer(shared: &Shared, asked: &Asked) -> (u16, Value) {
    let (status, answer) = (shared.answers.lock().unwrap())(asked);
    match asked.path.as_str() {
        _ if status != 404 => (status, answer),
        "/.well-known/oauth-authorization-server" => (200, shared.metadata.lock().unwrap().clone()),
        "/keys" => {
            let mut jwk = Jwk::from_encoding_key(&shared.secret, Algorithm::ES256).unwrap();
            jwk.common.key_id = Some("k1".to_owned());
            (200, json!({ "keys": [jwk] }))
        }
        _ => (status, answer),
    }
}

/// The fields of a query or form.
pub(crate) fn fields(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}
