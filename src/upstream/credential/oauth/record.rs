//! A connection of a user to a server, and its written form.

use serde::{Deserialize, Serialize};

use crate::{clock, redact::Redacted, upstream::credential::keeper::Token};

use std::time::Duration;

/// What a token that does not say how long it lives is used for: until the server refuses it.
const UNSAID_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) principal: String,
    pub(super) server: String,
    pub(super) issuer: String,
    pub(super) resource: String,
    /// What was asked for.
    pub(super) scopes: Vec<String>,
    pub(super) client_id: String,
    /// What the gateway got when it registered itself.
    pub(super) client_secret: Option<Redacted<String>>,
    pub(super) token_endpoint: String,
    pub(super) revocation_endpoint: Option<String>,
    /// The configured address that led to all of these.
    pub(super) named_by: String,
    pub(super) access_token: Redacted<String>,
    /// Since 1970, in seconds.
    pub(super) expires: Option<u64>,
    pub(super) refresh_token: Option<Redacted<String>>,
    /// Since 1970, in seconds.
    pub(super) since: u64,
}

/// A connection as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Whose it is.
    pub principal: String,
    /// To which server.
    pub server: String,
    /// Who gave the tokens.
    pub issuer: String,
    /// What they were asked for.
    pub scopes: Vec<String>,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// Until when the token holds, in seconds since 1970; it is replaced before where that is possible.
    pub expires: Option<u64>,
    /// Whether it can be replaced without the user.
    pub renewable: bool,
}

impl Record {
    /// Its token, for as long as it lives from now.
    pub(super) fn token(&self) -> Token {
        let left = self.expires.map(|at| Duration::from_secs(at).saturating_sub(clock::unix_time()));
        Token::new(self.access_token.clone(), left.unwrap_or(UNSAID_LIFE))
    }

    /// What it is called by where it is kept.
    pub(super) fn name(&self) -> String {
        Self::name_of(&self.principal, &self.server)
    }

    pub(super) fn name_of(principal: &str, server: &str) -> String {
        format!("{principal}\n{server}")
    }

    pub(super) fn listed(&self) -> Listed {
        Listed {
            principal: self.principal.clone(),
            server: self.server.clone(),
            issuer: self.issuer.clone(),
            scopes: self.scopes.clone(),
            since: self.since,
            expires: self.expires,
            renewable: self.refresh_token.is_some(),
        }
    }

    /// Its written form, to be sealed.
    pub(super) fn written(&self) -> Option<Redacted<Vec<u8>>> {
        serde_json::to_vec(&Written::of(self)).ok().map(Redacted::new)
    }

    /// Reads a written form.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let written: Written<'_> = serde_json::from_slice(bytes).ok()?;
        Some(written.record())
    }
}

/// The only form in which tokens are written, and only under a seal.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    principal: String,
    server: String,
    issuer: String,
    resource: String,
    scopes: Vec<String>,
    client_id: String,
    client_secret: Option<std::borrow::Cow<'a, str>>,
    token_endpoint: String,
    revocation_endpoint: Option<String>,
    named_by: String,
    access_token: std::borrow::Cow<'a, str>,
    expires: Option<u64>,
    refresh_token: Option<std::borrow::Cow<'a, str>>,
    since: u64,
}

impl<'a> Written<'a> {
    fn of(record: &'a Record) -> Self {
        let shown = |secret: &'a Redacted<String>| std::borrow::Cow::Borrowed(secret.expose().as_str());
        Self {
            principal: record.principal.clone(),
            server: record.server.clone(),
            issuer: record.issuer.clone(),
            resource: record.resource.clone(),
            scopes: record.scopes.clone(),
            client_id: record.client_id.clone(),
            client_secret: record.client_secret.as_ref().map(shown),
            token_endpoint: record.token_endpoint.clone(),
            revocation_endpoint: record.revocation_endpoint.clone(),
            named_by: record.named_by.clone(),
            access_token: shown(&record.access_token),
            expires: record.expires,
            refresh_token: record.refresh_token.as_ref().map(shown),
            since: record.since,
        }
    }

    fn record(self) -> Record {
        let secret = |text: std::borrow::Cow<'a, str>| Redacted::new(text.into_owned());
        Record {
            principal: self.principal,
            server: self.server,
            issuer: self.issuer,
            resource: self.resource,
            scopes: self.scopes,
            client_id: self.client_id,
            client_secret: self.client_secret.map(secret),
            token_endpoint: self.token_endpoint,
            revocation_endpoint: self.revocation_endpoint,
            named_by: self.named_by,
            access_token: secret(self.access_token),
            expires: self.expires,
            refresh_token: self.refresh_token.map(secret),
            since: self.since,
        }
    }
}
