//! The check of a request: at once where everything is at hand, else after an issuer was asked.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::{
    clock,
    mcp::{Identity, Principal, PrincipalKind},
};

use super::{
    bearer::{self, Malformed},
    cache::{self, Cache, Digest},
    fetch::Fetch,
    issuer::Issuer,
    jwt::{self, Invalid, Unverified},
    key::{self, KeyFault, KeyHash},
    metadata,
    settings::{Anonymous, AuthSettings, KeySecret, KeySettings},
};

/// Who may come in.
pub struct Auth {
    settings: AuthSettings,
    keys: Vec<(KeyHash, KeySettings)>,
    issuers: Vec<Arc<Issuer>>,
    cache: Cache,
    anonymous: Principal,
}

/// What a check came to.
pub enum Checked {
    /// It is known.
    Now(Result<Principal, Refused>),
    /// An issuer is asked first.
    Later(Pin<Box<dyn Future<Output = Result<Principal, Refused>> + Send>>),
}

/// Why a request does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no token.
    #[error("A token is needed: send it as Authorization: Bearer")]
    NoToken,
    /// The token is not valid here, for whatever reason.
    #[error("The token is not valid here; get a new one")]
    InvalidToken,
    /// The token is valid and lacks a scope.
    #[error("The token lacks a scope; ask for one with those of the challenge")]
    Scope,
    /// The credentials cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Refused {
    /// The status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoToken | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::Scope => StatusCode::FORBIDDEN,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// The error code of RFC 6750 section 3.1 and its description.
    const fn error(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::NoToken => None,
            Self::InvalidToken => Some(("invalid_token", "The token is expired, revoked, or not for this resource")),
            Self::Scope => Some(("insufficient_scope", "The token lacks a scope")),
            Self::Malformed(_) => Some(("invalid_request", "The credentials cannot be read")),
        }
    }
}

impl Auth {
    /// A check by these settings. No issuer is reached yet.
    ///
    /// # Errors
    /// Only when the machine has no randomness.
    pub fn new(settings: AuthSettings, fetch: &Arc<dyn Fetch>) -> Result<Self, KeyFault> {
        let hashed = settings.keys.iter().map(|key| {
            let hash = match &key.secret {
                KeySecret::Hash(hash) => hash.clone(),
                KeySecret::Token(token) => KeyHash::of(token.expose())?,
            };
            Ok((hash, key.clone()))
        });
        Ok(Self {
            keys: hashed.collect::<Result<_, KeyFault>>()?,
            issuers: settings.issuers.iter().map(|issuer| Issuer::new(issuer.clone(), fetch.clone())).collect(),
            cache: Cache::new(settings.max_remembered, settings.remember_for),
            anonymous: Principal::anonymous(),
            settings,
        })
    }

    /// Whose request it is. `resource` is the address of the endpoint as clients name it.
    pub fn check(self: &Arc<Self>, headers: &HeaderMap, query: Option<&str>, resource: &str) -> Checked {
        let token = match bearer::token(headers, query) {
            Ok(Some(token)) => token,
            Ok(None) if self.settings.anonymous == Anonymous::Admitted => {
                return Checked::Now(Ok(self.anonymous.clone()));
            }
            Ok(None) => return Checked::Now(Err(Refused::NoToken)),
            Err(malformed) => return Checked::Now(Err(malformed.into())),
        };
        let digest = cache::digest(token, resource);
        if let Some(principal) = self.cache.find(&digest, clock::now()) {
            return Checked::Now(Ok(principal));
        }
        if !self.issuers.is_empty() && jwt::looks_like_one(token) {
            return self.check_jwt(token, digest, resource);
        }
        Checked::Now(self.check_key(token, digest))
    }

    /// Whoever comes, where nobody is asked for a token: then none is looked at.
    pub fn anybody(&self) -> Option<&Principal> {
        (self.keys.is_empty() && self.issuers.is_empty()).then_some(&self.anonymous)
    }

    fn check_key(&self, token: &str, digest: Digest) -> Result<Principal, Refused> {
        if key::is_mistyped(token) {
            return Err(refuse(&"not one of the gateway's keys"));
        }
        // All are looked at, so that the time tells nothing of which one it was.
        let found =
            self.keys.iter().fold(None, |found, (hash, key)| if hash.matches(token) { Some(key) } else { found });
        let key = found.ok_or_else(|| refuse(&"no such key"))?;
        let left = key.expires.map(|expires| Duration::from_secs(expires).saturating_sub(clock::unix_time()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(refuse(&"the key has expired"));
        }
        let (id, kind, groups) = (key.id.as_str().into(), PrincipalKind::ApiKey, key.groups.clone());
        let identity = Identity { id, kind, groups, ..Identity::default() };
        let principal = Principal::known(identity, key.expires.map(Duration::from_secs));
        self.cache.insert(digest, principal.clone(), left, clock::now());
        Ok(principal)
    }

    fn check_jwt(self: &Arc<Self>, token: &str, digest: Digest, resource: &str) -> Checked {
        let unverified = match jwt::read(token, &self.issuers) {
            Ok(unverified) => unverified,
            Err(invalid) => return Checked::Now(Err(refuse(&invalid))),
        };
        if let Some(key) = unverified.key_now() {
            return Checked::Now(self.verify(&unverified, token, &key, digest, resource));
        }
        let (this, token, resource) = (self.clone(), token.to_owned(), resource.to_owned());
        Checked::Later(Box::pin(async move {
            let key = unverified.key().await.map_err(|invalid| refuse(&invalid))?;
            this.verify(&unverified, &token, &key, digest, &resource)
        }))
    }

    fn verify(
        &self,
        unverified: &Unverified,
        token: &str,
        key: &super::issuer::Key,
        digest: Digest,
        resource: &str,
    ) -> Result<Principal, Refused> {
        let verified = unverified.verify(token, key, resource, self.settings.clock_skew);
        let (principal, left) = verified.map_err(|invalid: Invalid| refuse(&invalid))?;
        if !self.settings.scopes.iter().all(|scope| principal.has_scope(scope)) {
            return Err(Refused::Scope);
        }
        self.cache.insert(digest, principal.clone(), Some(left), clock::now());
        Ok(principal)
    }

    /// The challenge for a refused request to the endpoint at `path`, where `base` is the address of the gateway.
    pub fn challenge(&self, refused: Refused, base: &str, path: &str) -> Option<HeaderValue> {
        metadata::challenge(&self.settings, &self.metadata_url(base, path), refused.error(), &[])
    }

    /// The challenge for a call to the endpoint at `path` that needs these scopes besides those that every call needs.
    pub fn step_up(&self, needed: &[String], base: &str, path: &str) -> Option<HeaderValue> {
        metadata::challenge(&self.settings, &self.metadata_url(base, path), Refused::Scope.error(), needed)
    }

    fn metadata_url(&self, base: &str, path: &str) -> String {
        format!("{}{}{path}", self.base(base), metadata::WELL_KNOWN)
    }

    /// The endpoint whose metadata lies at `path`: `""` for the root, where only one endpoint can be meant.
    pub fn describes<'p>(&self, path: &'p str) -> Option<&'p str> {
        (!self.issuers.is_empty()).then(|| path.strip_prefix(metadata::WELL_KNOWN)).flatten()
    }

    /// The metadata of the endpoint at `path`.
    pub fn metadata(&self, base: &str, path: &str) -> Bytes {
        metadata::document(&self.settings, &self.resource(base, path))
    }

    /// The address of an endpoint as clients name it; `base` is what the request was sent to.
    pub fn resource(&self, base: &str, path: &str) -> String {
        format!("{}{path}", self.base(base))
    }

    fn base<'a>(&'a self, base: &'a str) -> &'a str {
        self.settings.public_url.as_deref().unwrap_or(base)
    }
}

/// The sender hears no more than that the token is not valid.
fn refuse(reason: &dyn std::fmt::Display) -> Refused {
    tracing::info!(%reason, "a token was refused");
    Refused::InvalidToken
}
