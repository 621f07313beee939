//! Who somebody is, once that is established. How it is, is the business of `auth`.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
    time::Duration,
};

use crate::redact::Redacted;

/// An identity that was established at the door. Two are the same when their ids are.
#[derive(Clone, Debug)]
pub struct Principal {
    identity: Arc<Identity>,
    /// Since 1970.
    expires: Option<Duration>,
    /// What it came with, where a server of its endpoint wants it.
    token: Option<Arc<Redacted<String>>>,
}

/// What is known about a principal.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// What tells it from all others.
    pub id: Arc<str>,
    /// How it is known.
    pub kind: PrincipalKind,
    /// Who vouches for it, when that is somebody else than this gateway.
    pub issuer: Option<Arc<str>>,
    /// The OAuth client that acts for it.
    pub client: Option<String>,
    /// Its groups.
    pub groups: Vec<String>,
    /// What its token may be used for.
    pub scopes: Vec<String>,
    /// What else was vouched for: the claims of its token, or nothing.
    pub claims: serde_json::Map<String, serde_json::Value>,
}

/// How a principal is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrincipalKind {
    /// Nobody asked.
    #[default]
    Anonymous,
    /// By an API key.
    ApiKey,
    /// By a token of an issuer.
    Token,
    /// By a client certificate.
    Certificate,
    /// As a Kubernetes service account.
    ServiceAccount,
}

impl PrincipalKind {
    /// All of them.
    const ALL: [Self; 5] = [Self::Anonymous, Self::ApiKey, Self::Token, Self::Certificate, Self::ServiceAccount];

    /// The kind that goes by this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }

    /// The word in policies and in the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::ApiKey => "api_key",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::ServiceAccount => "service_account",
        }
    }
}

impl Principal {
    /// Somebody known by this id.
    pub fn new(id: &str) -> Self {
        Self::known(Identity { id: id.into(), ..Identity::default() }, None)
    }

    /// Somebody of whom more is known, until a time since 1970.
    pub fn known(identity: Identity, expires: Option<Duration>) -> Self {
        Self { identity: Arc::new(identity), expires, token: None }
    }

    /// Whoever reaches an endpoint that asks for no credential. One for all, so that what is known of one is known of the next.
    pub fn anonymous() -> Self {
        static ANONYMOUS: LazyLock<Principal> = LazyLock::new(|| Principal::new("anonymous"));
        ANONYMOUS.clone()
    }

    /// The same with the token that it came with, for servers that are called with it.
    #[must_use]
    pub fn bearing(self, token: &str) -> Self {
        Self { token: Some(Arc::new(Redacted::from(token))), ..self }
    }

    /// The token that it came with, where a server of its endpoint wants it.
    pub fn token(&self) -> Option<&Redacted<String>> {
        self.token.as_deref()
    }

    /// The id, to be kept.
    pub fn shared_id(&self) -> Arc<str> {
        self.identity.id.clone()
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.identity.id
    }

    /// What is known about it.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Stands for all that is known about it, for as long as a clone of it is kept: two credentials of one principal may say different
    /// things, and then differ here.
    pub fn face(&self) -> usize {
        Arc::as_ptr(&self.identity).addr()
    }

    /// Whether its token may be used for `scope`.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.identity.scopes.iter().any(|own| own == scope)
    }

    /// Whether it is known by the very same credential, and so with the same groups and scopes.
    pub fn is_known_alike(&self, other: &Self) -> bool {
        let is_same = Arc::ptr_eq(&self.identity, &other.identity) && self.expires == other.expires;
        is_same && self.token == other.token
    }

    /// When its credential ends, since 1970.
    pub const fn expires(&self) -> Option<Duration> {
        self.expires
    }
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.identity.id == other.identity.id
    }
}

impl Eq for Principal {}

impl Hash for Principal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity.id.hash(state);
    }
}
