//! From an invitation to a connection: to the authorization server and back.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use crate::{
    auth::{Verifier, is_from, may_be_fetched, with_query},
    clock,
    redact::Redacted,
    upstream::wire::http as wire,
};

use super::{
    super::{
        discovery::{self, Metadata},
        fault::CredentialFault,
    },
    challenge::Challenge,
    invitation::Invitation,
    record::Record,
    registration::Client,
    resource,
    server::{MAX_SCOPES, Oauth},
    step::{At, Step},
};

/// What a browser came back with.
#[derive(Debug, Default)]
pub struct Came {
    /// The browser, by its cookie.
    pub browser: String,
    /// `state`
    pub state: String,
    /// `iss`
    pub issuer: Option<String>,
    /// `code`
    pub code: Option<Redacted<String>>,
    /// `error`
    pub error: Option<String>,
}

/// Why a user is not connected. The sentence is for them; the log has the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowFault {
    /// The link is too old, was used, or belongs to another browser.
    #[error(
        "This link is too old, was used already, or belongs to another browser. Call the tool again to get another one."
    )]
    Unknown,
    /// The answer is not from whom it should be.
    #[error("The answer did not come from the authorization server that was asked. Nothing was changed.")]
    Foreign,
    /// The user, or the authorization server, said no.
    #[error("The authorization server did not give access. Nothing was changed.")]
    Denied,
    /// The authorization server cannot be used.
    #[error(
        "The authorization server cannot be used at the moment. Ask the operator of this gateway; its log has the reason."
    )]
    Broken,
}

/// A user agreed, and is connected.
pub struct Agreed {
    invitation: Arc<Invitation>,
    /// What that changed.
    pub became: Became,
}

impl Agreed {
    /// Who it is.
    pub fn principal(&self) -> &str {
        self.invitation.principal.id()
    }
}

/// What a user who agreed became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// Connected: before, the server knew nothing of them.
    Connected,
    /// Connected otherwise than before.
    Renewed,
}

impl Oauth {
    /// Where the browser of somebody who was invited, and who is known to be the same, goes next.
    ///
    /// # Errors
    /// [`FlowFault::Broken`].
    pub async fn begin(&self, invitation: &Arc<Invitation>, browser: &str) -> Result<String, FlowFault> {
        self.try_begin(invitation, browser).await.map_err(|fault| {
            tracing::warn!(server = &*self.server, %fault, "a user cannot be sent to the authorization server");
            FlowFault::Broken
        })
    }

    async fn try_begin(&self, invitation: &Arc<Invitation>, browser: &str) -> Result<String, CredentialFault> {
        let fetch = self.reach.wallet.fetch();
        let challenge = self.challenge().await;
        let (issuer, named_by, offered) = match &self.settings.issuer {
            Some(issuer) => (issuer.clone(), None, Vec::new()),
            None => {
                let found = resource::metadata(&*fetch, &self.settings.url, &challenge).await?;
                let issuer = found.authorization_servers.into_iter().next();
                let issuer = issuer.ok_or(CredentialFault::Unfit("the server's metadata names none"))?;
                (issuer, Some(self.settings.url.clone()), found.scopes_supported)
            }
        };
        let metadata = discovery::metadata(&*fetch, &issuer, self.reach.ca.as_ref(), named_by.as_deref()).await?;
        let named_by = named_by.unwrap_or_else(|| issuer.clone());
        let (authorize, token_endpoint) = endpoints(&metadata)?;
        let redirect = format!("{}/connect/callback/{}", self.reach.wallet.address(), self.server);
        let client = self.client_at(&metadata, &redirect, &named_by).await?;
        let scopes = self.scopes(&invitation.scopes, &challenge, offered, &metadata);
        let verifier = Verifier::new().map_err(|_| CredentialFault::Random)?;
        let at = At {
            issuer,
            promises_iss: metadata.authorization_response_iss_parameter_supported,
            client,
            scopes,
            redirect,
            token_endpoint,
            revocation_endpoint: metadata.revocation_endpoint.clone(),
            named_by,
        };
        let mut query = vec![
            ("response_type", "code".to_owned()),
            ("client_id", at.client.id.clone()),
            ("redirect_uri", at.redirect.clone()),
            ("code_challenge", verifier.challenge()),
            ("code_challenge_method", "S256".to_owned()),
            ("resource", self.settings.resource.clone()),
        ];
        if !at.scopes.is_empty() {
            query.push(("scope", at.scopes.join(" ")));
        }
        // Last of all: until now nothing could come back.
        let state = self.reach.wallet.consents().begin(Step::new(invitation.clone(), browser, verifier, at))?;
        query.push(("state", state));
        Ok(with_query(&authorize, &query))
    }

    /// What the server says to somebody without a token. It is only asked where there is something to learn from it.
    async fn challenge(&self) -> Challenge {
        if self.settings.issuer.is_some() && !self.settings.scopes.is_empty() {
            return Challenge::default();
        }
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream")),
        ]);
        let body = Bytes::from_static(br#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#);
        let request = wire::Outgoing { method: Method::POST, target: None, headers, body };
        match self.client.send(request, wire::To::ANY).await {
            Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => Challenge::read(&answer.headers),
            _ => Challenge::default(),
        }
    }

    async fn client_at(&self, metadata: &Metadata, redirect: &str, named_by: &str) -> Result<Client, CredentialFault> {
        if let Some((id, _)) = &self.settings.client {
            return Ok(Client { id: id.clone(), secret: None });
        }
        let wallet = &self.reach.wallet;
        wallet.registrations().client(&*wallet.fetch(), metadata, &wallet.address(), redirect, named_by).await
    }

    /// What is asked for: what the operator says, or the server's challenge, or all that its metadata has; what a call wanted besides; and
    /// a token that outlives the visit, where there is such a scope.
    fn scopes(
        &self,
        wished: &BTreeSet<String>,
        challenge: &Challenge,
        offered: Vec<String>,
        metadata: &Metadata,
    ) -> Vec<String> {
        let base = match (self.settings.scopes.is_empty(), challenge.scopes.is_empty()) {
            (false, _) => self.settings.scopes.clone(),
            (true, false) => challenge.scopes.clone(),
            (true, true) => offered,
        };
        let mut scopes: BTreeSet<String> = base.into_iter().chain(wished.iter().cloned()).take(MAX_SCOPES).collect();
        if metadata.scopes_supported.iter().any(|scope| scope == "offline_access") {
            scopes.insert("offline_access".to_owned());
        }
        scopes.into_iter().collect()
    }

    /// What comes back from the authorization server makes a connection. Whoever waits for it goes on when they are
    /// [told](Self::tell): what was opened without it is of no use any more, and ends first.
    ///
    /// # Errors
    /// Any [`FlowFault`].
    pub async fn finish(&self, came: &Came) -> Result<Agreed, FlowFault> {
        let step = self.reach.wallet.consents().take(&came.state).ok_or(FlowFault::Unknown)?;
        // Another browser, or the address of another server: whoever brings the answer is not who was sent (RFC 9700 section 4.4).
        if step.browser != came.browser || step.invitation.server != self.server {
            tracing::warn!(server = &*self.server, "an answer was brought by another browser, or to another address");
            return Err(FlowFault::Unknown);
        }
        let Step { invitation, verifier, at, .. } = step;
        if !is_from(&at.issuer, at.promises_iss, came.issuer.as_deref()) {
            tracing::warn!(server = &*self.server, "an answer of another authorization server was brought");
            return Err(FlowFault::Foreign);
        }
        let code = came.code.as_ref().filter(|_| came.error.is_none()).ok_or(FlowFault::Denied)?;
        let principal = invitation.principal.id().to_owned();
        let became = if self.is_connected(&invitation.principal) { Became::Renewed } else { Became::Connected };
        let connected = self.connect(at, &principal, code, &verifier).await;
        connected.map_err(|fault| {
            tracing::warn!(server = &*self.server, principal, %fault, "a user agreed, and is not connected all the same");
            FlowFault::Broken
        })?;
        tracing::info!(server = &*self.server, principal, "a user was connected to the server");
        self.reach.wallet.consents().granted(&principal, &self.server);
        Ok(Agreed { invitation, became })
    }

    /// Whoever waits for a user's consent goes on.
    pub fn tell(&self, agreed: &Agreed) {
        self.turned();
        self.reach.wallet.consents().end(&agreed.invitation);
    }

    /// Ends the connection of a principal, here and at the authorization server; whether there was one.
    pub async fn revoke(&self, principal: &str) -> bool {
        let Some(held) = self.reach.wallet.vault().take(principal, &self.server).await else { return false };
        let record = held.record.load_full();
        tracing::info!(server = &*self.server, principal, "a connection was revoked");
        if let Some(url) = &record.revocation_endpoint
            && let Err(fault) = self.tell_revoked(&record, url).await
        {
            tracing::warn!(server = &*self.server, %fault, "the authorization server was not told of it");
        }
        true
    }

    async fn tell_revoked(&self, record: &Record, url: &str) -> Result<(), CredentialFault> {
        let client = Client { id: record.client_id.clone(), secret: record.client_secret.clone() };
        let (token, kind) = match &record.refresh_token {
            Some(token) => (token, "refresh_token"),
            None => (&record.access_token, "access_token"),
        };
        let endpoint = self.endpoint(&record.token_endpoint, &record.named_by, &client)?;
        endpoint.revoke(url, &[("token", token.expose()), ("token_type_hint", kind)]).await
    }

    async fn connect(
        &self,
        at: At,
        principal: &str,
        code: &Redacted<String>,
        verifier: &Verifier,
    ) -> Result<(), CredentialFault> {
        let endpoint = self.endpoint(&at.token_endpoint, &at.named_by, &at.client)?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.expose().as_str()),
            ("redirect_uri", &at.redirect),
            ("code_verifier", verifier.expose()),
        ];
        let grant = endpoint.ask(&fields).await.inspect_err(|fault| {
            if matches!(fault, CredentialFault::Refused(_, code) if &**code == "invalid_client") {
                self.reach.wallet.registrations().forget(&at.issuer);
            }
        })?;
        let now = clock::unix_time();
        let record = Record {
            principal: principal.to_owned(),
            server: self.server.to_string(),
            issuer: at.issuer,
            resource: self.settings.resource.clone(),
            scopes: at.scopes,
            client_id: at.client.id,
            client_secret: at.client.secret,
            token_endpoint: at.token_endpoint,
            revocation_endpoint: at.revocation_endpoint,
            named_by: at.named_by,
            access_token: grant.bearer()?,
            expires: grant.life().map(|life| (now + life).as_secs()),
            refresh_token: grant.refresh_token(),
            since: now.as_secs(),
        };
        self.reach.wallet.vault().put(record).await
    }
}

/// Only what supports PKCE is used (MCP 2026-07-28 basic/authorization, PKCE), and only addresses that a browser may be sent to.
fn endpoints(metadata: &Metadata) -> Result<(String, String), CredentialFault> {
    if !metadata.code_challenge_methods_supported.iter().any(|method| method == "S256") {
        return Err(CredentialFault::Unfit("it does not say that it supports PKCE with S256"));
    }
    let authorize = metadata.authorization_endpoint.clone();
    let authorize = authorize.filter(|url| url.parse::<Uri>().is_ok_and(|url| may_be_fetched(&url)));
    let authorize = authorize.ok_or(CredentialFault::Unfit("it has no address that users can be sent to"))?;
    Ok((authorize, metadata.token_endpoint.clone().ok_or(CredentialFault::Answer("token_endpoint"))?))
}
