//! Signing in at an issuer: who sits at a browser, as the issuer of that principal's tokens says.
//!
//! It tells who somebody is for the time of one page and lets nobody in: an ID token is for this gateway as a client, and no credential
//! for its endpoints.
//!
//! Sources: OpenID Connect Core 1.0 sections 3.1.2, 3.1.3 and 3.1.3.7 (ID Token Validation); RFC 7636; RFC 9207.

use std::{sync::Arc, time::Duration};

use http::{StatusCode, Uri};
use serde::Deserialize;

use crate::{redact::Redacted, seal};

use super::{
    claims,
    code::{Verifier, is_from, with_query},
    discovery::{self, Metadata},
    fetch::{Fetch, FetchContent, FetchCredential, FetchFault, FetchRequest, may_be_fetched},
    issuer::{Issuer, NoKey},
    jwt::{Invalid, Unverified},
    settings::{LoginProof, LoginSettings},
};

/// How long a token endpoint may take in all: somebody waits at a browser.
const PATIENCE: Duration = Duration::from_secs(10);

/// The gateway as a client of an issuer at which people sign in.
pub struct Login {
    settings: LoginSettings,
    name: Arc<str>,
    issuer: Arc<Issuer>,
    fetch: Arc<dyn Fetch>,
    skew: Duration,
}

/// What is remembered while somebody signs in.
#[derive(Clone, Debug)]
pub struct LoginStep {
    verifier: Verifier,
    nonce: String,
    redirect: String,
    token_endpoint: String,
    promises_iss: bool,
}

/// What a browser came back with.
#[derive(Clone, Debug, Default)]
pub struct LoginAnswer {
    /// `iss`
    pub issuer: Option<String>,
    /// `code`; nothing where the issuer says no.
    pub code: Option<Redacted<String>>,
}

/// Why nobody was signed in. For the log; the page says less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginFault {
    /// The answer is another issuer's.
    #[error("the answer is not of the issuer that was asked")]
    Foreign,
    /// The issuer, or the user, said no.
    #[error("the issuer signed nobody in")]
    Denied,
    /// The issuer's metadata has no address that a browser can be sent to, or none for tokens.
    #[error("the issuer's metadata does not say where people sign in")]
    Metadata,
    /// The issuer was not reached.
    #[error("the issuer cannot be asked: {0}")]
    Unreached(#[from] FetchFault),
    /// The issuer does not give a token for the code.
    #[error("the issuer refused the code with status {0}")]
    Refused(StatusCode),
    /// The ID token says nothing that can be relied on.
    #[error("the ID token cannot be relied on: {0}")]
    Invalid(#[source] InvalidId),
    /// The machine has no randomness.
    #[error("the operating system gives no random numbers")]
    Random,
}

/// Why an ID token is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct InvalidId(#[from] Invalid);

/// What a token endpoint gives for a code.
#[derive(Deserialize)]
struct Granted {
    id_token: String,
}

impl Login {
    pub(super) fn new(
        settings: LoginSettings,
        name: &str,
        issuer: Arc<Issuer>,
        fetch: Arc<dyn Fetch>,
        skew: Duration,
    ) -> Self {
        Self { settings, name: name.into(), issuer, fetch, skew }
    }

    /// Whose users sign in.
    pub fn issuer(&self) -> &str {
        &self.name
    }

    /// Where a browser goes to sign in, to come back to `redirect` with `state`; and what is remembered until then.
    ///
    /// # Errors
    /// [`LoginFault`].
    pub async fn begin(&self, redirect: String, state: String) -> Result<(String, LoginStep), LoginFault> {
        let metadata = discovery::metadata(&*self.fetch, &self.name).await?;
        let (authorize, token_endpoint) = endpoints(&metadata)?;
        let promises_iss = metadata.authorization_response_iss_parameter_supported;
        let (verifier, nonce) =
            Verifier::new().and_then(|verifier| Ok((verifier, seal::random_id()?))).map_err(|_| LoginFault::Random)?;
        let query = [
            ("response_type", "code".to_owned()),
            ("client_id", self.settings.client_id.clone()),
            ("redirect_uri", redirect.clone()),
            ("scope", self.settings.scopes.join(" ")),
            ("code_challenge", verifier.challenge()),
            ("code_challenge_method", "S256".to_owned()),
            ("nonce", nonce.clone()),
            ("state", state),
        ];
        let away = with_query(&authorize, &query);
        Ok((away, LoginStep { verifier, nonce, redirect, token_endpoint, promises_iss }))
    }

    /// The id of the principal who came back.
    ///
    /// # Errors
    /// [`LoginFault`].
    pub async fn finish(&self, step: &LoginStep, answer: &LoginAnswer) -> Result<String, LoginFault> {
        if !is_from(&self.name, step.promises_iss, answer.issuer.as_deref()) {
            return Err(LoginFault::Foreign);
        }
        let code = answer.code.as_ref().ok_or(LoginFault::Denied)?;
        let token = self.redeem(step, code).await?;
        self.subject(step, &token).await
    }

    async fn redeem(&self, step: &LoginStep, code: &Redacted<String>) -> Result<Redacted<String>, LoginFault> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &step.redirect),
            ("code_verifier", step.verifier.expose()),
        ];
        let mut credential = FetchCredential::None;
        match &self.settings.proof {
            LoginProof::Basic(secret) => credential = FetchCredential::basic(&self.settings.client_id, secret),
            LoginProof::Post(secret) => fields.push(("client_secret", secret.expose())),
            LoginProof::None => (),
        }
        if matches!(credential, FetchCredential::None) {
            fields.push(("client_id", &self.settings.client_id));
        }
        let request = FetchRequest {
            content: FetchContent::form(fields),
            credential,
            patience: PATIENCE,
            ..FetchRequest::get(step.token_endpoint.clone()).named_by(&self.name)
        };
        let answer = self.fetch.send(request).await?;
        if answer.status != StatusCode::OK {
            return Err(LoginFault::Refused(answer.status));
        }
        let granted: Granted =
            serde_json::from_slice(&answer.body).map_err(|_| LoginFault::Unreached(FetchFault::Content))?;
        Ok(Redacted::new(granted.id_token))
    }

    /// OpenID Connect Core 1.0 section 3.1.3.7.
    async fn subject(&self, step: &LoginStep, token: &Redacted<String>) -> Result<String, LoginFault> {
        let invalid = |fault: Invalid| LoginFault::Invalid(fault.into());
        let unverified = Unverified::read(token.expose(), self.issuer.clone()).map_err(invalid)?;
        let key = unverified.key().await.map_err(|fault| match fault {
            NoKey::Unknown => invalid(Invalid::Key),
            NoKey::Unavailable => LoginFault::Unreached(FetchFault::NoAnswer),
        })?;
        let client = &self.settings.client_id;
        let claims = unverified.verify_id(token.expose(), &key, client, self.skew).map_err(invalid)?;
        if claims::text(&claims, "nonce") != Some(&step.nonce) {
            return Err(invalid(Invalid::Nonce));
        }
        claims::text(&claims, "sub").map(|subject| claims::id(&self.name, subject)).ok_or(invalid(Invalid::Claims))
    }
}

/// Only addresses that a browser may be sent to.
fn endpoints(metadata: &Metadata) -> Result<(String, String), LoginFault> {
    let authorize = metadata.authorization_endpoint.clone();
    let authorize = authorize.filter(|url| url.parse::<Uri>().is_ok_and(|url| may_be_fetched(&url)));
    authorize.zip(metadata.token_endpoint.clone()).ok_or(LoginFault::Metadata)
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("issuer", &self.name).finish_non_exhaustive()
    }
}
