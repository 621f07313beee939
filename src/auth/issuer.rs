//! An issuer's keys: found by its metadata, fetched once for many, fetched again before they are old and when a token names an unknown one.
//!
//! Source: RFC 7517 (keys).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, jwk::JwkSet};
use tokio::{sync::Mutex, time::sleep};

use crate::clock;

use super::{
    cluster, discovery,
    fetch::{Fetch, FetchContent, FetchFault, FetchRequest},
    settings::KubernetesSettings,
};

/// The shortest time between two fetches: a flood of tokens with made-up key names costs the issuer one request a second.
const FLOOR: Duration = Duration::from_secs(1);
/// Old keys serve for so many lifetimes while their issuer is asked and cannot be reached.
const STALE_LIFETIMES: u32 = 12;
/// Keys of one issuer at the most.
const MAX_KEYS: usize = 64;

/// One key, whose it is, and the algorithms that it may be used with.
pub(super) struct Key {
    id: Option<String>,
    pub(super) issuer: Arc<str>,
    pub(super) verifies: DecodingKey,
    algorithms: Vec<Algorithm>,
}

/// What an issuer said last.
struct Heard {
    keys: Vec<Arc<Key>>,
    fetched: Option<Instant>,
    /// When it was last asked, in vain or not: those who wait for a fetch that fails do not each begin one of their own.
    asked: Instant,
}

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer has none of that name.
    Unknown,
    /// The issuer does not answer, so that nobody knows.
    Unavailable,
}

/// Where keys come from.
pub(super) enum Source {
    /// From the issuer of that name: from where its metadata says, or from a known address.
    Issuer { name: String, keys_url: Option<String> },
    /// From the API server of a cluster, which also says what the issuer's name is.
    Cluster(KubernetesSettings),
}

/// One issuer.
pub(super) struct Issuer {
    source: Source,
    keys_ttl: Duration,
    heard: ArcSwapOption<Heard>,
    /// When the last fetch began; held while one is on its way.
    fetching: Mutex<Option<Instant>>,
    fetch: Arc<dyn Fetch>,
}

impl Issuer {
    pub(super) fn new(source: Source, keys_ttl: Duration, fetch: Arc<dyn Fetch>) -> Arc<Self> {
        Arc::new(Self { source, keys_ttl, heard: ArcSwapOption::empty(), fetching: Mutex::new(None), fetch })
    }

    /// The key with that name for that algorithm, if the keys at hand have it. Keys that grow old are fetched anew meanwhile; those that
    /// are too old wait for that, since their issuer may have withdrawn them.
    pub(super) fn key_now(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<Key>> {
        let heard = self.heard.load_full()?;
        let (now, lifetime) = (clock::now(), self.keys_ttl);
        let age = now.saturating_duration_since(heard.fetched?);
        if now.saturating_duration_since(heard.asked) > lifetime || age > lifetime * STALE_LIFETIMES {
            return None;
        }
        if age > lifetime * 4 / 5 && self.fetching.try_lock().is_ok() {
            let this = self.clone();
            tokio::spawn(async move { this.refresh(Some(heard.asked)).await });
        }
        find(&self.heard.load_full()?.keys, id, algorithm)
    }

    /// The same, after a fetch where it is not at hand.
    pub(super) async fn key(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Result<Arc<Key>, NoKey> {
        if let Some(key) = self.key_now(id, algorithm) {
            return Ok(key);
        }
        let seen = self.heard.load().as_ref().map(|heard| heard.asked);
        self.refresh(seen).await;
        let answers = self.heard.load().as_ref().is_some_and(|heard| heard.fetched == Some(heard.asked));
        self.key_now(id, algorithm).ok_or(if answers { NoKey::Unknown } else { NoKey::Unavailable })
    }

    /// Fetches the keys unless somebody else tried since `seen`. One at a time, and not too often.
    async fn refresh(&self, seen: Option<Instant>) {
        let mut last = self.fetching.lock().await;
        if self.heard.load().as_ref().map(|heard| heard.asked) != seen {
            return;
        }
        if let Some(left) = last.and_then(|last| FLOOR.checked_sub(clock::now().saturating_duration_since(last))) {
            // A key that was just rotated in is worth the wait; a made-up one waits as long.
            sleep(left).await;
        }
        *last = Some(clock::now());
        let found = self.fetch_keys().await;
        let asked = clock::now();
        let (keys, fetched) = match found {
            Ok(keys) => (keys, Some(asked)),
            Err(fault) => {
                tracing::warn!(issuer = self.source.name(), %fault, "the issuer's keys cannot be fetched; the old ones stay");
                self.heard.load().as_ref().map_or((Vec::new(), None), |old| (old.keys.clone(), old.fetched))
            }
        };
        self.heard.store(Some(Arc::new(Heard { keys, fetched, asked })));
    }

    async fn fetch_keys(&self) -> Result<Vec<Arc<Key>>, FetchFault> {
        let (issuer, request) = self.keys_request().await?;
        let issuer: Arc<str> = issuer.into();
        let set = request.content_from(&*self.fetch).await?;
        // One key of a kind that nobody here knows does not spoil the others.
        let set: serde_json::Value = serde_json::from_slice(&set).map_err(|_| FetchFault::Content)?;
        let listed = set.get("keys").and_then(|keys| keys.as_array()).ok_or(FetchFault::Content)?;
        let known = listed.iter().take(MAX_KEYS).filter_map(|key| {
            let set = serde_json::json!({ "keys": [key] });
            let set = serde_json::from_value::<JwkSet>(set).ok()?;
            set.keys.iter().find_map(|jwk| read(jwk, &issuer)).map(Arc::new)
        });
        Ok(known.collect())
    }

    /// Whose the keys are, and how to get them.
    async fn keys_request(&self) -> Result<(String, FetchRequest), FetchFault> {
        match &self.source {
            Source::Issuer { name, keys_url: Some(url) } => Ok((name.clone(), FetchRequest::get(url.clone()))),
            Source::Issuer { name, keys_url: None } => {
                Ok((name.clone(), FetchRequest::get(self.keys_url(name).await?).named_by(name)))
            }
            Source::Cluster(settings) => Ok((
                cluster::issuer(settings, &*self.fetch).await?,
                cluster::request(settings, "/openid/v1/jwks", FetchContent::None),
            )),
        }
    }

    async fn keys_url(&self, name: &str) -> Result<String, FetchFault> {
        discovery::metadata(&*self.fetch, name).await?.jwks_uri.ok_or(FetchFault::Content)
    }
}

impl Source {
    /// For the log.
    fn name(&self) -> &str {
        match self {
            Self::Issuer { name, .. } => name,
            Self::Cluster(settings) => &settings.api_server,
        }
    }
}

fn find(keys: &[Arc<Key>], id: Option<&str>, algorithm: Algorithm) -> Option<Arc<Key>> {
    let mut fitting = keys.iter().filter(|key| key.algorithms.contains(&algorithm));
    match id {
        Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)).cloned(),
        // A token that names no key can only mean the one that there is.
        None => fitting.next().filter(|_| fitting.next().is_none()).cloned(),
    }
}

/// A key is pinned to its own algorithm, or to those of its kind: never to a symmetric one, which would make a public key a secret.
fn read(jwk: &jsonwebtoken::jwk::Jwk, issuer: &Arc<str>) -> Option<Key> {
    let is_for_signatures =
        jwk.common.public_key_use.as_ref().is_none_or(|used| *used == jsonwebtoken::jwk::PublicKeyUse::Signature);
    let key = DecodingKey::from_jwk(jwk).ok()?;
    if !is_for_signatures || key.family() == AlgorithmFamily::Hmac {
        return None;
    }
    let family = key.family();
    let algorithms = match &jwk.common.key_algorithm {
        Some(named) => {
            let named: Algorithm = named.to_string().parse().ok()?;
            family.algorithms().iter().copied().filter(|algorithm| *algorithm == named).collect()
        }
        None => family.algorithms().to_vec(),
    };
    Some(Key { id: jwk.common.key_id.clone(), issuer: issuer.clone(), verifies: key, algorithms })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{
        super::fetch::{FetchAnswer, Fetched},
        *,
    };

    const LIFETIME: Duration = Duration::from_secs(10);

    /// An issuer that says this whenever it is asked, and how often that was.
    struct Says(Option<&'static str>, AtomicUsize);

    impl Fetch for Says {
        fn send(&self, _: FetchRequest) -> Fetched<'_> {
            self.1.fetch_add(1, Ordering::Relaxed);
            let body = self.0.map(|text| FetchAnswer {
                status: http::StatusCode::OK,
                headers: http::HeaderMap::new(),
                body: text.into(),
            });
            Box::pin(async { body.ok_or(FetchFault::NoAnswer) })
        }
    }

    /// An issuer whose one key was fetched so long ago.
    fn issuer(fetch: Arc<Says>, age: Duration) -> Arc<Issuer> {
        let jwk =
            serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let keys = vec![Arc::new(read(&serde_json::from_value(jwk).unwrap(), &"i".into()).unwrap())];
        let keys_url = Some("https://idp.example/keys".to_owned());
        let source = Source::Issuer { name: "https://idp.example".to_owned(), keys_url };
        let issuer = Issuer::new(source, LIFETIME, fetch);
        let asked = clock::now().checked_sub(age).unwrap();
        issuer.heard.store(Some(Arc::new(Heard { keys, fetched: Some(asked), asked })));
        issuer
    }

    #[tokio::test]
    async fn old_keys_serve_for_a_while_when_their_issuer_is_away_and_no_longer() {
        for (age, serves) in [(LIFETIME * 2, true), (LIFETIME * STALE_LIFETIMES + FLOOR, false)] {
            let issuer = issuer(Arc::new(Says(None, AtomicUsize::new(0))), age);
            assert_eq!(
                issuer.key(None, Algorithm::EdDSA).await.err(),
                (!serves).then_some(NoKey::Unavailable),
                "{age:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_key_that_was_withdrawn_is_not_taken_for_being_the_first_to_be_asked_for_after_a_silence() {
        for (age, serves) in [(LIFETIME / 2, true), (LIFETIME * 2, false)] {
            let issuer = issuer(Arc::new(Says(Some(r#"{"keys":[]}"#), AtomicUsize::new(0))), age);
            assert_eq!(issuer.key(None, Algorithm::EdDSA).await.err(), (!serves).then_some(NoKey::Unknown), "{age:?}");
        }
    }

    #[tokio::test]
    async fn those_who_wait_for_an_issuer_that_is_away_share_one_attempt() {
        let says = Arc::new(Says(None, AtomicUsize::new(0)));
        let issuer = issuer(says.clone(), LIFETIME * 2);
        let ask = || issuer.key(None, Algorithm::EdDSA);
        let (first, second, third) = tokio::join!(ask(), ask(), ask());
        assert!([first, second, third].iter().all(Result::is_ok));
        assert_eq!(says.1.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn takes_no_symmetric_key() {
        let jwk = serde_json::json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" });
        assert!(read(&serde_json::from_value(jwk).unwrap(), &"i".into()).is_none());
    }
}
