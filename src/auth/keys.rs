//! The gateway's own API keys.

use std::time::Duration;

use crate::{
    clock,
    mcp::{Identity, Principal, PrincipalKind},
};

use super::{
    claims::Found,
    key::{self, KeyFault, KeyHash},
    refused::{Refused, refuse},
    settings::{KeySecret, KeySettings},
};

/// All keys.
pub(super) struct Keys(Vec<(KeyHash, KeySettings)>);

impl Keys {
    /// # Errors
    /// Only when the machine has no randomness.
    pub(super) fn new(settings: &[KeySettings]) -> Result<Self, KeyFault> {
        let hashed = settings.iter().map(|key| {
            let hash = match &key.secret {
                KeySecret::Hash(hash) => hash.clone(),
                KeySecret::Token(token) => KeyHash::of(token.expose())?,
            };
            Ok((hash, key.clone()))
        });
        hashed.collect::<Result<_, KeyFault>>().map(Self)
    }

    /// Whose key it is; `None` when it is none of these.
    ///
    /// # Errors
    /// It is one, and has expired; or it is mistyped.
    pub(super) fn find(&self, token: &str) -> Result<Option<Found>, Refused> {
        if key::is_mistyped(token) {
            return Err(refuse(&"not one of the gateway's keys"));
        }
        // All are looked at, so that the time tells nothing of which one it was.
        let found = self.0.iter().fold(None, |found, (hash, key)| if hash.matches(token) { Some(key) } else { found });
        let Some(key) = found else { return Ok(None) };
        let left = key.expires.map(|expires| Duration::from_secs(expires).saturating_sub(clock::unix_time()));
        if left == Some(Duration::ZERO) {
            return Err(refuse(&"the key has expired"));
        }
        let (id, kind, groups) = (key.id.as_str().into(), PrincipalKind::ApiKey, key.groups.clone());
        let identity = Identity { id, kind, groups, ..Identity::default() };
        Ok(Some(Found { principal: Principal::known(identity, key.expires.map(Duration::from_secs)), left }))
    }
}
