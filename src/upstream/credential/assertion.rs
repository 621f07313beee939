//! What the gateway says of a caller, signed, so that a server knows for whom it works without holding anybody's token.
//!
//! Sources: RFC 7519 (claims), RFC 8725 section 3.8 (audience).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{clock, mcp::Principal, seal};

use super::{
    fault::CredentialFault,
    generations::Generations,
    keeper::{Keeper, Token},
    settings::AssertionSettings,
    wallet::Wallet,
};

/// Principals whose assertions are remembered, for each server: about 1 KiB each.
const MAX_REMEMBERED: usize = 10_000;
/// One is used for this share of its life: what a server gets holds for at least the rest.
const USED_SHARE: u32 = 2;

/// Statements about callers.
pub(super) struct Assertions {
    settings: AssertionSettings,
    wallet: Arc<Wallet>,
    kept: Generations<Subject, Arc<Keeper>>,
}

/// Everything that a statement says of somebody.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Subject {
    id: Arc<str>,
    groups: Vec<String>,
}

impl Assertions {
    pub(super) fn new(settings: AssertionSettings, wallet: Arc<Wallet>) -> Self {
        Self { settings, wallet, kept: Generations::new(MAX_REMEMBERED) }
    }

    pub(super) const fn settings(&self) -> &AssertionSettings {
        &self.settings
    }

    /// The statement about a principal.
    pub(super) async fn token(&self, principal: &Principal) -> Result<Arc<Token>, CredentialFault> {
        let subject = Subject { id: principal.shared_id(), groups: principal.identity().groups.clone() };
        let keeper = self.kept.get_or(&subject, Arc::default);
        keeper.token(None, || std::future::ready(self.state(&subject, principal))).await
    }

    fn state(&self, subject: &Subject, principal: &Principal) -> Result<Token, CredentialFault> {
        let now = clock::unix_time().as_secs();
        let id = seal::random_id().map_err(|_| CredentialFault::Random)?;
        let mut claims: Map<String, Value> =
            self.settings.claims.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let said = json!({
            "iss": &**self.wallet.address(),
            "sub": &*subject.id,
            "aud": self.settings.audience,
            "groups": subject.groups,
            "kind": principal.identity().kind.name(),
            "jti": id,
            "iat": now,
            "exp": now + self.settings.ttl.as_secs(),
        });
        // What the operator adds replaces nothing of it.
        claims.extend(said.as_object().cloned().unwrap_or_default());
        let signed = self.wallet.sign(&Value::Object(claims))?;
        Ok(Token::new(signed, self.settings.ttl / USED_SHARE))
    }
}
