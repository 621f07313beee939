//! What an operator may say about who may come in: the validated form that `config` builds.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use crate::redact::Redacted;

use super::KeyHash;

/// Who may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthSettings {
    /// API keys.
    pub keys: Vec<KeySettings>,
    /// Issuers of JWTs.
    pub issuers: Vec<IssuerSettings>,
    /// Those who know opaque tokens, in the order in which they are asked.
    pub introspection: Vec<IntrospectionSettings>,
    /// The cluster whose service accounts come in.
    pub kubernetes: Option<KubernetesSettings>,
    /// Whom client certificates stand for; the first rule that fits decides.
    pub certificates: Vec<CertificateSettings>,
    /// What holds at an endpoint, by its path.
    pub endpoints: BTreeMap<String, EndpointRules>,
    /// Scopes that every token of an issuer must carry.
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
    /// Tokens that are looked up elsewhere at the same time, at the most.
    pub max_lookups: usize,
}

impl AuthSettings {
    /// Whether a listener at this address may go by these settings. Beyond loopback somebody must be asked for a token, unless the operator
    /// said that anybody may come in; and what tokens are for must not be taken from the host that a client names.
    pub fn may_guard(&self, address: IpAddr) -> bool {
        let is_named = !self.has_authorization_servers() || self.public_url.is_some();
        address.to_canonical().is_loopback()
            || (is_named && (self.asks_somebody() || self.anonymous == Anonymous::Admitted))
    }

    /// Whether anybody can be told from anybody else.
    pub fn asks_somebody(&self) -> bool {
        let has_tokens = !self.keys.is_empty() || self.has_authorization_servers() || self.kubernetes.is_some();
        has_tokens || !self.certificates.is_empty()
    }

    /// Whether tokens are taken that somebody else issues for the addresses of this gateway.
    pub fn has_authorization_servers(&self) -> bool {
        !self.issuers.is_empty() || !self.introspection.is_empty()
    }
}

/// What holds at one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointRules {
    /// By what somebody may be known there; by everything when absent.
    pub ways: Option<Vec<Way>>,
    /// Scopes that a token of an issuer must carry there, besides those of all endpoints.
    pub scopes: Vec<String>,
}

/// By what somebody may be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By an API key.
    ApiKeys,
    /// By a JWT of any issuer.
    Issuers,
    /// By a JWT of this issuer.
    Issuer(String),
    /// By an opaque token.
    Introspection,
    /// As a service account.
    Kubernetes,
    /// By a client certificate.
    Certificates,
    /// Not at all.
    Anonymous,
}

impl EndpointRules {
    /// Whether somebody may be known by this. `Anonymous` is decided by the whole configuration where the endpoint says nothing.
    pub fn admits(&self, way: &Way) -> bool {
        let Some(ways) = &self.ways else { return *way != Way::Anonymous };
        ways.contains(way) || (matches!(way, Way::Issuer(_)) && ways.contains(&Way::Issuers))
    }
}

/// Whether a request without a token comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// It is answered 401.
    #[default]
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
    /// The gateway as its client, where its users sign in at the gateway's pages.
    pub login: Option<LoginSettings>,
}

/// The gateway as a client of an issuer whose users sign in at its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSettings {
    /// The gateway's own name there.
    pub client_id: String,
    /// How it proves that.
    pub proof: LoginProof,
    /// What is asked for; `openid` is among them.
    pub scopes: Vec<String>,
}

/// How the gateway proves at an issuer who it is (RFC 6749 section 2.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginProof {
    /// Not at all: a public client, which PKCE protects.
    None,
    /// Its secret, as `Authorization: Basic`.
    Basic(Redacted<String>),
    /// Its secret, in the form.
    Post(Redacted<String>),
}

/// Somebody who knows opaque tokens (RFC 7662).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrospectionSettings {
    /// Where they are asked.
    pub url: String,
    /// The gateway's own name there.
    pub client_id: String,
    /// The gateway's own secret there.
    pub client_secret: Redacted<String>,
    /// The issuer of the tokens: clients are told to go there, and an answer that names another is refused.
    pub issuer: Option<String>,
    /// What `aud` must contain one of; the endpoint's own address when empty.
    pub audiences: Vec<String>,
    /// The member that lists a principal's groups.
    pub groups_claim: String,
    /// PEM file of the authorities to trust instead of the machine's.
    pub ca: Option<PathBuf>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A Kubernetes cluster whose service accounts come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesSettings {
    /// What their tokens must be for one of.
    pub audiences: Vec<String>,
    /// The address of the API server, without a path.
    pub api_server: String,
    /// PEM file of the API server's authority; the machine's authorities when absent.
    pub ca: Option<PathBuf>,
    /// The file with the gateway's own token.
    pub token_file: PathBuf,
    /// How tokens are checked.
    pub via: Via,
    /// Patterns over `NAMESPACE/NAME`; all accounts when empty.
    pub allowed: Vec<String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long the cluster's keys count as fresh.
    pub keys_ttl: Duration,
}

/// How the tokens of service accounts are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The API server reviews each: a deleted account or pod is known within a minute.
    Review,
    /// With the cluster's keys: no request per token, and no right beyond reading them.
    Keys,
}

/// Whom a client certificate stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSettings {
    /// Which of its names is meant.
    pub from: CertificateName,
    /// A pattern over that name; any when absent.
    pub pattern: Option<String>,
    /// The principal; one for each name when absent.
    pub id: Option<String>,
    /// The groups of the principal.
    pub groups: Vec<String>,
}

/// A name in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// A URI among its alternative names, as SPIFFE has them.
    SanUri,
    /// A host among its alternative names.
    SanDns,
    /// The whole subject, in the form of RFC 4514.
    Subject,
    /// The common name of the subject.
    CommonName,
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn settings(anonymous: Anonymous) -> AuthSettings {
        AuthSettings { anonymous, ..AuthSettings::default() }
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
            login: None,
        };
        let issued = AuthSettings { issuers: vec![issuer], ..settings(Anonymous::Refused) };
        assert!(!beyond(&issued));
        assert!(beyond(&AuthSettings { public_url: Some("https://mcp.example".to_owned()), ..issued }));
    }
}
