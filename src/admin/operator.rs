//! What an operator may see and change of a running gateway.

use std::{future::Future, pin::Pin};

use crate::upstream::credential::oauth::Listed;

/// Whoever can do what operators want.
pub trait Operator: Send + Sync + 'static {
    /// The connections of users to servers.
    fn connections(&self) -> Vec<Listed>;

    /// Ends the connection of a principal to a server; whether there was one.
    fn revoke(&self, principal: String, server: String) -> Revoked;
}

/// A revocation on its way.
pub type Revoked = Pin<Box<dyn Future<Output = bool> + Send>>;
