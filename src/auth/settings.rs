//! What an operator may say about who may come in: the validated form that `config` builds.

use std::{net::IpAddr, time::Duration};

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

impl AuthSettings {
    /// Whether a listener at this address may go by these settings. Beyond loopback somebody must be asked for a token, unless the operator
    /// said that anybody may come in; and what tokens are for must not be taken from the host that a client names.
    pub fn may_guard(&self, address: IpAddr) -> bool {
        let asks = !self.keys.is_empty() || !self.issuers.is_empty();
        let is_named = self.issuers.is_empty() || self.public_url.is_some();
        address.to_canonical().is_loopback() || (is_named && (asks || self.anonymous == Anonymous::Admitted))
    }
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn settings(anonymous: Anonymous) -> AuthSettings {
        let (clock_skew, remember_for) = (Duration::ZERO, Duration::ZERO);
        let (keys, issuers, scopes, public_url) = (Vec::new(), Vec::new(), Vec::new(), None);
        AuthSettings { keys, issuers, scopes, public_url, anonymous, clock_skew, max_remembered: 2, remember_for }
    }

    fn beyond(settings: &AuthSettings) -> bool {
        assert!(settings.may_guard(Ipv4Addr::LOCALHOST.into()));
        settings.may_guard(Ipv4Addr::UNSPECIFIED.into())
    }

    #[test]
    fn beyond_loopback_somebody_is_asked_or_the_operator_said_that_anybody_may_come_in() {
        assert!(!beyond(&settings(Anonymous::Refused)));
        assert!(beyond(&settings(Anonymous::Admitted)));
        let secret = KeySecret::Token("a-token-from-elsewhere".into());
        let key = KeySettings { id: "ci".to_owned(), secret, groups: Vec::new(), expires: None };
        assert!(beyond(&AuthSettings { keys: vec![key], ..settings(Anonymous::Refused) }));
    }

    #[test]
    fn beyond_loopback_no_client_names_what_its_token_is_for() {
        let issuer = IssuerSettings {
            issuer: "https://idp.example".to_owned(),
            audiences: Vec::new(),
            keys_url: None,
            groups_claim: "groups".to_owned(),
            keys_ttl: Duration::ZERO,
        };
        let issued = AuthSettings { issuers: vec![issuer], ..settings(Anonymous::Refused) };
        assert!(!beyond(&issued));
        assert!(beyond(&AuthSettings { public_url: Some("https://mcp.example".to_owned()), ..issued }));
    }
}
