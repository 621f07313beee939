//! Asking a token endpoint: who the gateway is there, what it asks, and what is answered.
//!
//! Sources: RFC 6749 sections 2.3.1, 5.1 and 5.2; RFC 7009 section 2.1; RFC 7523 section 2.2 (private key); RFC 8707 (resource).

use std::{path::PathBuf, sync::Arc, time::Duration};

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::{
    auth::{FetchAnswer, FetchContent, FetchCredential, FetchRequest},
    clock,
    redact::Redacted,
    seal,
    telemetry::{label::Success, metrics::METRICS},
};

use super::{
    discovery,
    fault::CredentialFault,
    keeper::{Token, UNKNOWN_LIFE},
    settings::{ClientProof, ClientSettings, TokenSource},
    signer::Signer,
    wallet::Wallet,
};

/// How long a token endpoint may take in all: a call waits for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a statement about who the client is holds (RFC 7523 section 3 wants it short).
const PROOF_TTL: Duration = Duration::from_secs(60);
/// The longest error code that is written to the log.
const MAX_ERROR_CODE: usize = 64;

/// What authorization servers are reached with.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) wallet: Arc<Wallet>,
    /// The authority that the server's own configuration trusts.
    pub(super) ca: Option<PathBuf>,
}

/// A token endpoint, and the client that the gateway is there.
pub(super) struct TokenEndpoint {
    reach: Reach,
    settings: ClientSettings,
    /// Found once; where that fails it is looked for again.
    found: OnceCell<Found>,
    signer: Option<Signer>,
}

struct Found {
    url: String,
    /// For whom a statement about the client is.
    audience: String,
    /// The issuer whose metadata named it; the operator did when absent.
    named_by: Option<String>,
}

/// What was granted (RFC 6749 section 5.1).
#[derive(Deserialize)]
pub(super) struct Grant {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<f64>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: Option<String>,
}

impl TokenEndpoint {
    /// # Errors
    /// [`CredentialFault::Key`].
    pub(super) fn new(settings: ClientSettings, reach: Reach) -> Result<Self, CredentialFault> {
        let signer = match &settings.proof {
            ClientProof::PrivateKey(pem, name) => Some(Signer::read(pem, name.as_deref())?),
            _ => None,
        };
        Ok(Self { reach, settings, found: OnceCell::new(), signer })
    }

    async fn found(&self) -> Result<&Found, CredentialFault> {
        let find = || async {
            match &self.settings.from {
                TokenSource::Endpoint(url) => Ok(Found { url: url.clone(), audience: url.clone(), named_by: None }),
                TokenSource::Learned(url, by) => {
                    Ok(Found { url: url.clone(), audience: url.clone(), named_by: Some(by.clone()) })
                }
                TokenSource::Issuer(issuer) => {
                    let metadata =
                        discovery::metadata(&*self.reach.wallet.fetch(), issuer, self.reach.ca.as_ref(), None).await?;
                    let url = metadata.token_endpoint.ok_or(CredentialFault::Answer("token_endpoint"))?;
                    Ok(Found { url, audience: metadata.issuer, named_by: Some(issuer.clone()) })
                }
            }
        };
        self.found.get_or_try_init(find).await
    }

    /// Asks for a token: the grant's own fields, and those that every question has.
    pub(super) async fn ask(&self, grant: &[(&str, &str)]) -> Result<Grant, CredentialFault> {
        let asked = self.ask_uncounted(grant).await;
        METRICS.server_tokens.of(if asked.is_ok() { Success::Ok } else { Success::Failed }).inc();
        asked
    }

    async fn ask_uncounted(&self, grant: &[(&str, &str)]) -> Result<Grant, CredentialFault> {
        let found = self.found().await?;
        let scope = self.settings.scopes.join(" ");
        let mut fields = grant.to_vec();
        fields.push(("resource", &self.settings.resource));
        fields.extend(self.settings.audience.as_deref().map(|audience| ("audience", audience)));
        if !scope.is_empty() {
            fields.push(("scope", &scope));
        }
        let answer = self.send(found, &found.url, fields).await?;
        if answer.status != StatusCode::OK {
            return Err(CredentialFault::Refused(answer.status, error_code(&answer.body)));
        }
        serde_json::from_slice(&answer.body).map_err(|_| CredentialFault::Answer("access_token"))
    }

    /// Tells the authorization server that a token is of no use any more, at its revocation endpoint and as the same client (RFC 7009
    /// section 2.1).
    pub(super) async fn revoke(&self, url: &str, token: &[(&str, &str)]) -> Result<(), CredentialFault> {
        let answer = self.send(self.found().await?, url, token.to_vec()).await?;
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(CredentialFault::Refused(answer.status, error_code(&answer.body))),
        }
    }

    /// Sends a form to an endpoint of the authorization server as the client that the gateway is there.
    async fn send<'a>(
        &'a self,
        found: &Found,
        url: &str,
        mut fields: Vec<(&'a str, &'a str)>,
    ) -> Result<FetchAnswer, CredentialFault> {
        let (mut credential, mut statement) = (FetchCredential::None, None);
        match &self.settings.proof {
            ClientProof::Basic(secret) => credential = FetchCredential::basic(&self.settings.id, secret),
            ClientProof::PrivateKey(..) => statement = Some(self.statement(&found.audience)?),
            ClientProof::None | ClientProof::Post(_) => (),
        }
        if matches!(credential, FetchCredential::None) {
            fields.push(("client_id", &self.settings.id));
        }
        if let ClientProof::Post(secret) = &self.settings.proof {
            fields.push(("client_secret", secret.expose()));
        }
        let statement = statement.as_ref().map(|statement| statement.expose().as_str());
        let kind = statement.map(|_| "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        let proof = [("client_assertion_type", kind), ("client_assertion", statement)];
        let proof = proof.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let content = FetchContent::form(fields.into_iter().chain(proof));
        let (url, ca, named_by) = (url.to_owned(), self.reach.ca.clone(), found.named_by.clone());
        let request = FetchRequest { url, content, credential, ca, patience: PATIENCE, named_by };
        Ok(self.reach.wallet.fetch().send(request).await?)
    }

    /// RFC 7523 section 3.
    fn statement(&self, audience: &str) -> Result<Redacted<String>, CredentialFault> {
        let signer = self.signer.as_ref().ok_or(CredentialFault::Key)?;
        let now = clock::unix_time().as_secs();
        let id = seal::random_id().map_err(|_| CredentialFault::Random)?;
        let own = &self.settings.id;
        let claims =
            json!({ "iss": own, "sub": own, "aud": audience, "jti": id, "iat": now, "exp": now + PROOF_TTL.as_secs() });
        signer.sign("JWT", &claims)
    }
}

impl Grant {
    /// How long the token lives, if that was said.
    pub(super) fn life(&self) -> Option<Duration> {
        self.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// What to get the next one with.
    pub(super) fn refresh_token(&self) -> Option<Redacted<String>> {
        self.refresh_token.as_deref().map(Redacted::from)
    }

    /// The bare token, if it is one that can be presented.
    pub(super) fn bearer(&self) -> Result<Redacted<String>, CredentialFault> {
        let is_bearer =
            self.token_type.as_ref().is_none_or(|kind| ["bearer", "n_a"].contains(&kind.to_ascii_lowercase().as_str()));
        if !is_bearer || self.access_token.is_empty() {
            return Err(CredentialFault::Answer("bearer token"));
        }
        Ok(Redacted::from(self.access_token.as_str()))
    }

    /// The token; only bearer tokens can be presented, and `N_A` says that it is none of the known kinds (RFC 8693 section 2.2.1).
    pub(super) fn token(self, at_the_most: Option<Duration>) -> Result<Token, CredentialFault> {
        let life = self.life().unwrap_or(UNKNOWN_LIFE);
        Ok(Token::new(self.bearer()?, at_the_most.map_or(life, |most| life.min(most))))
    }
}

/// The error code, if it is one (RFC 6749 section 5.2); nothing else of a refusal is written anywhere.
fn error_code(body: &[u8]) -> Box<str> {
    let code = serde_json::from_slice::<Refusal>(body).ok().and_then(|refusal| refusal.error).unwrap_or_default();
    let is_code = code.len() <= MAX_ERROR_CODE && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_code { code.into() } else { "".into() }
}
