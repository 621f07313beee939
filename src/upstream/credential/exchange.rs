//! Tokens for a server that callers' own are exchanged for: one for each token of each principal, never for another's.
//!
//! Source: RFC 8693 section 2.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};

use crate::{
    clock,
    mcp::{Principal, PrincipalKind},
};

use super::{
    fault::CredentialFault,
    generations::Generations,
    keeper::{Keeper, Token},
    settings::ExchangeSettings,
    token_endpoint::{Reach, TokenEndpoint},
};

/// Callers' tokens whose counterparts are remembered, for each server: about 2 KiB each. Beyond it the longest unused are got anew.
const MAX_REMEMBERED: usize = 10_000;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Who a token was got for: the principal, and the digest of the very token that it came with.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Subject {
    principal: Arc<str>,
    token: [u8; 32],
}

/// The exchange of callers' tokens.
pub(super) struct Exchange {
    endpoint: TokenEndpoint,
    subject_token_type: String,
    requested_token_type: String,
    kept: Generations<Subject, Arc<Keeper>>,
}

impl Exchange {
    pub(super) fn new(settings: ExchangeSettings, reach: Reach) -> Result<Self, CredentialFault> {
        let ExchangeSettings { client, subject_token_type, requested_token_type } = settings;
        let endpoint = TokenEndpoint::new(client, reach)?;
        Ok(Self { endpoint, subject_token_type, requested_token_type, kept: Generations::new(MAX_REMEMBERED) })
    }

    /// The counterpart of the caller's token; another one where that was refused.
    pub(super) async fn token(
        &self,
        principal: Option<&Principal>,
        refused: Option<&Arc<Token>>,
    ) -> Result<Arc<Token>, CredentialFault> {
        let principal = principal.filter(|principal| is_issued(principal)).ok_or(CredentialFault::NoToken)?;
        let own = principal.token().ok_or(CredentialFault::NoToken)?;
        let left = principal.expires().map(|expires| expires.saturating_sub(clock::unix_time()));
        if left == Some(Duration::ZERO) {
            return Err(CredentialFault::NoToken);
        }
        let token = digest(&SHA256, own.expose().as_bytes()).as_ref().try_into().unwrap_or_default();
        let subject = Subject { principal: principal.shared_id(), token };
        let keeper = self.kept.get_or(&subject, Arc::default);
        let fields = [
            ("grant_type", GRANT),
            ("subject_token", own.expose().as_str()),
            ("subject_token_type", &self.subject_token_type),
            ("requested_token_type", &self.requested_token_type),
        ];
        // What was made of a token does not outlive it.
        keeper.token(refused, || async { self.endpoint.ask(&fields).await?.token(left) }).await
    }
}

/// API keys and certificates mean nothing to an authorization server.
fn is_issued(principal: &Principal) -> bool {
    matches!(principal.identity().kind, PrincipalKind::Token | PrincipalKind::ServiceAccount)
}
