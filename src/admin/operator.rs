//! What an operator may see and change of a running gateway.

use std::{future::Future, pin::Pin};

use super::{
    report::{NoServer, RestartReport, ServerReport},
    tail::Log,
};
use crate::upstream::{Restart, credential::oauth::Listed};

/// Whoever can do what operators want.
pub trait Operator: Send + Sync + 'static {
    /// The connections of users to servers.
    fn connections(&self) -> Vec<Listed>;

    /// Ends the connection of a principal to a server; whether there was one.
    fn revoke(&self, principal: String, server: String) -> Revoked;

    /// How the servers are, in the order of the configuration.
    fn servers(&self) -> Vec<ServerReport>;

    /// Replaces what runs of a server. It goes on when nobody waits for it.
    fn restart(&self, server: &str, how: Restart) -> Restarting;

    /// Where a server's children write.
    ///
    /// # Errors
    /// There is no such server.
    fn log(&self, server: &str) -> Result<Log, NoServer>;
}

/// A revocation on its way.
pub type Revoked = Pin<Box<dyn Future<Output = bool> + Send>>;

/// A restart on its way.
pub type Restarting = Pin<Box<dyn Future<Output = Result<RestartReport, NoServer>> + Send>>;
