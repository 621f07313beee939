//! An issuer that the tests play: its keys, its metadata and what it signs.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use serde_json::{Value, json};

use super::{
    RESOURCE,
    authority::{Asked, Authority, Says},
};

/// A signing key and its public half.
pub(super) struct Signer {
    pub(super) id: String,
    pub(super) secret: EncodingKey,
}

impl Signer {
    pub(super) fn new(id: &str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        Self { id: id.to_owned(), secret: EncodingKey::from_ec_der(&pair.serialize_der()) }
    }

    pub(super) fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.secret, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).unwrap()
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(None, claims)
    }

    /// A token whose header says that it is of a type.
    pub(super) fn sign_as(&self, kind: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.clone());
        if let Some(kind) = kind {
            header.typ = Some(kind.to_owned());
        }
        encode(&header, claims, &self.secret).unwrap()
    }
}

/// An issuer: its metadata and its keys.
pub(super) struct Issuer {
    pub(super) url: String,
    pub(super) keys: Arc<Mutex<Vec<Value>>>,
    pub(super) fetched: Arc<AtomicUsize>,
    _authority: Authority,
}

impl Issuer {
    pub(super) async fn start(signer: &Signer) -> Self {
        let keys = Arc::new(Mutex::new(vec![signer.public()]));
        let fetched = Arc::new(AtomicUsize::new(0));
        let (published, counted) = (keys.clone(), fetched.clone());
        let authority = Authority::start(move |asked: &Asked| match asked.path.as_str() {
            "/.well-known/oauth-authorization-server" => {
                Says::Json(200, json!({ "issuer": asked.origin, "jwks_uri": format!("{}/keys", asked.origin) }))
            }
            "/keys" => {
                counted.fetch_add(1, Ordering::SeqCst);
                Says::Json(200, json!({ "keys": *published.lock().unwrap() }))
            }
            _ => Says::Json(404, json!({})),
        })
        .await;
        Self { url: authority.url.clone(), keys, fetched, _authority: authority }
    }

    pub(super) fn claims(&self) -> Value {
        let now = get_current_timestamp();
        json!({ "iss": self.url, "aud": RESOURCE, "sub": "u1", "exp": now + 600, "iat": now, "scope": "mcp:basic other" })
    }

    /// The claims with one of them changed, or taken out.
    pub(super) fn but(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }
}
