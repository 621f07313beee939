//! What an operator may say about who may come in: the validated form that `config` builds.

use std::time::Duration;

use crate::redact::Redacted;

use super::KeyHash;

/// Who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// API keys.
    pub keys: Vec<KeySettings>,
    /// Issuers of JWTs.
    pub issuers: Vec<IssuerSettings>,
    /// Scopes that every JWT must carry.
    pub scopes: Vec<String>,
    /// Where clients reach the gateway from outside, without a path; its own address when absent.
    pub public_url: Option<String>,
    /// Whether a request without a token comes in.
    pub anonymous: Anonymous,
    /// How far clocks may be apart.
    pub clock_skew: Duration,
    /// Verified tokens that are remembered at the most.
    pub max_remembered: usize,
    /// How long a verified token is not looked at again, at the most.
    pub remember_for: Duration,
}

/// Whether a request without a token comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// It is answered 401.
    Refused,
    /// It comes in as nobody in particular.
    Admitted,
}

/// One API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// The principal that it stands for.
    pub id: String,
    /// How it is recognised.
    pub secret: KeySecret,
    /// The groups of the principal.
    pub groups: Vec<String>,
    /// Seconds since 1970 from which on it is refused.
    pub expires: Option<u64>,
}

/// How an API key is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySecret {
    /// By its keyed hash.
    Hash(KeyHash),
    /// By itself: any text that is a bearer token.
    Token(Redacted<String>),
}

/// One issuer of JWTs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSettings {
    /// Its identifier: what `iss` must be, to the letter.
    pub issuer: String,
    /// What `aud` must contain one of; the endpoint's own address when empty.
    pub audiences: Vec<String>,
    /// Where its keys are; found by its metadata when absent.
    pub keys_url: Option<String>,
    /// The claim that lists a principal's groups.
    pub groups_claim: String,
    /// How long its keys count as fresh.
    pub keys_ttl: Duration,
}
