//! The credential of one server: what a request to it is sent with, in whose name it is made.

use std::{path::PathBuf, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    mcp::{Principal, UpstreamFault},
    redact::Redacted,
    upstream::wire::http::Replicas,
};

use super::{
    assertion::Assertions,
    exchange::Exchange,
    fault::CredentialFault,
    keeper::{Keeper, Token, bearer},
    oauth::{Oauth, challenge::Challenge},
    settings::CredentialSettings,
    token_endpoint::{Reach, TokenEndpoint},
    wallet::Wallet,
};

/// How requests to one server are authorised.
pub(in crate::upstream) struct Credential {
    server: Arc<str>,
    kind: Kind,
}

enum Kind {
    None,
    Passthrough,
    Client(Box<TokenEndpoint>, Keeper),
    Exchange(Box<Exchange>),
    Assertion(Assertions),
    Oauth(Arc<Oauth>),
    /// The settings make no credential: requests fail, and the log says why.
    Unusable(CredentialFault),
}

/// What a request is sent with.
pub(in crate::upstream) struct Badge {
    pub(in crate::upstream) name: HeaderName,
    pub(in crate::upstream) value: HeaderValue,
    token: Option<Arc<Token>>,
}

impl Credential {
    pub(in crate::upstream) fn new(
        server: Arc<str>,
        settings: &CredentialSettings,
        wallet: &Arc<Wallet>,
        (client, ca): (Option<&Arc<Replicas>>, Option<PathBuf>),
    ) -> Self {
        let reach = || Reach { wallet: wallet.clone(), ca: ca.clone() };
        let kind = match settings {
            CredentialSettings::None => Ok(Kind::None),
            CredentialSettings::Passthrough => Ok(Kind::Passthrough),
            CredentialSettings::Client(client) => TokenEndpoint::new(client.clone(), reach())
                .map(|endpoint| Kind::Client(Box::new(endpoint), Keeper::default())),
            CredentialSettings::Exchange(exchange) => {
                Exchange::new(exchange.clone(), reach()).map(|exchange| Kind::Exchange(Box::new(exchange)))
            }
            CredentialSettings::Oauth(oauth) => client.ok_or(CredentialFault::Metadata).map(|client| {
                Kind::Oauth(Arc::new(Oauth::new(server.clone(), oauth.clone(), reach(), client.clone())))
            }),
            CredentialSettings::Assertion(assertion) => {
                Ok(Kind::Assertion(Assertions::new(assertion.clone(), wallet.clone())))
            }
        };
        Self { server, kind: kind.unwrap_or_else(Kind::Unusable) }
    }

    /// None: requests are sent as they are.
    pub(in crate::upstream) fn none(server: Arc<str>) -> Self {
        Self { server, kind: Kind::None }
    }

    /// Whether requests are sent as they are.
    pub(in crate::upstream) const fn is_none(&self) -> bool {
        matches!(self.kind, Kind::None)
    }

    /// What a request is sent with that is made in the name of `principal`; nothing where nothing is needed.
    ///
    /// # Errors
    /// What the call hears; the log has the cause.
    ///
    /// # Cancel safety
    /// Dropped, whoever comes next gets the token.
    pub(in crate::upstream) async fn badge(
        &self,
        principal: Option<&Principal>,
    ) -> Result<Option<Badge>, UpstreamFault> {
        self.get(principal, None).await.map_err(|fault| self.report(&fault))
    }

    /// What the gateway says of `principal`, where that goes into the message itself.
    ///
    /// # Errors
    /// What the call hears; the log has the cause.
    pub(in crate::upstream) async fn statement(
        &self,
        principal: &Principal,
    ) -> Result<Option<Redacted<String>>, UpstreamFault> {
        let Kind::Assertion(assertions) = &self.kind else { return Ok(None) };
        let token = assertions.token(principal).await.map_err(|fault| self.report(&fault))?;
        Ok(Some(token.value().clone()))
    }

    /// Something else to send a request with, after the server refused `badge`; nothing where there is nothing else.
    ///
    /// # Errors
    /// As [`Credential::badge`].
    pub(in crate::upstream) async fn another(
        &self,
        principal: Option<&Principal>,
        badge: &Badge,
    ) -> Result<Option<Badge>, UpstreamFault> {
        match (&self.kind, &badge.token) {
            (Kind::Client(..) | Kind::Exchange(_) | Kind::Oauth(_), Some(token)) => {
                tracing::info!(server = &*self.server, "the server refused its token; another one is got, once");
                self.get(principal, Some(token)).await.map_err(|fault| self.report(&fault))
            }
            _ => Ok(None),
        }
    }

    /// Why the server forbids what was sent in the name of `principal` (403).
    pub(in crate::upstream) fn forbidden(&self, principal: Option<&Principal>, headers: &HeaderMap) -> UpstreamFault {
        match (&self.kind, principal) {
            (Kind::Oauth(oauth), Some(principal)) => {
                let challenge = Challenge::read(headers);
                match challenge.error.as_deref() {
                    Some("insufficient_scope") => oauth.step_up(principal, challenge.scopes),
                    _ => UpstreamFault::Unauthorized,
                }
            }
            _ => UpstreamFault::Unauthorized,
        }
    }

    /// What users are asked to agree to, where they are.
    pub(in crate::upstream) const fn oauth(&self) -> Option<&Arc<Oauth>> {
        match &self.kind {
            Kind::Oauth(oauth) => Some(oauth),
            _ => None,
        }
    }

    async fn get(
        &self,
        principal: Option<&Principal>,
        refused: Option<&Arc<Token>>,
    ) -> Result<Option<Badge>, CredentialFault> {
        match &self.kind {
            Kind::None => Ok(None),
            Kind::Passthrough => {
                let token = principal.and_then(Principal::token).ok_or(CredentialFault::NoToken)?;
                let value = bearer(token).ok_or(CredentialFault::NoToken)?;
                Ok(Some(Badge { name: header::AUTHORIZATION, value, token: None }))
            }
            Kind::Client(endpoint, keeper) => {
                let get = || async { endpoint.ask(&[("grant_type", "client_credentials")]).await?.token(None) };
                keeper.token(refused, get).await.and_then(Badge::of)
            }
            Kind::Exchange(exchange) => exchange.token(principal, refused).await.and_then(Badge::of),
            Kind::Oauth(oauth) => oauth.token(principal, refused).await.and_then(Badge::of),
            Kind::Assertion(assertions) => {
                let token = assertions.token(principal.ok_or(CredentialFault::NoToken)?).await?;
                match &assertions.settings().header {
                    None => Badge::of(token),
                    Some(name) => token.plain().map_or_else(unusable, |value| {
                        Ok(Some(Badge { name: name.clone(), value, token: Some(token) }))
                    }),
                }
            }
            Kind::Unusable(fault) => Err(fault.clone()),
        }
    }

    fn report(&self, fault: &CredentialFault) -> UpstreamFault {
        match fault {
            CredentialFault::Unconnected => {
                tracing::debug!(server = &*self.server, "the caller has not agreed to be connected yet");
            }
            fault => tracing::warn!(server = &*self.server, %fault, "there is no credential for the server"),
        }
        fault.told()
    }
}

impl Badge {
    fn of(token: Arc<Token>) -> Result<Option<Self>, CredentialFault> {
        let Some(value) = token.bearer() else { return unusable() };
        Ok(Some(Self { name: header::AUTHORIZATION, value, token: Some(token) }))
    }
}

const fn unusable() -> Result<Option<Badge>, CredentialFault> {
    Err(CredentialFault::Answer("token that fits a header"))
}
