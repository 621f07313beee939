//! What a group does with a call, and what it knows of its server.

use std::sync::{Arc, PoisonError};

use crate::{
    clock,
    era::legacy,
    mcp::{Fault, Outcome, Stage},
    upstream::{
        converse::{Patience, Place, converse},
        errand::{Errand, Greeting},
    },
};

use super::core::Group;

impl Group {
    /// Carries a call: what the server says on the way goes to `stage`.
    ///
    /// # Cancel safety
    /// Dropped, it cancels the call upstream.
    pub async fn carry(self: &Arc<Self>, errand: Errand, stage: Stage) -> Outcome {
        let settings = self.upstream.settings();
        let patience = Patience { silence: settings.timeout, total: settings.total_timeout };
        let lease = match self.lease().await {
            Ok(lease) => lease,
            Err(fault) => return Outcome::Failed(fault),
        };
        lease.peer.raise_log_level(errand.caller.log).await;
        let started = clock::now();
        let trace = errand.trace.clone();
        let outcome = match lease.peer.start(&errand) {
            Ok(exchange) => {
                converse(exchange, stage, errand, Place { server: self.server(), bus: &self.bus }, patience).await
            }
            Err(fault) => Outcome::Failed(Fault::Broken(self.server().clone(), fault)),
        };
        let taken = clock::now().saturating_duration_since(started);
        trace.spend(taken);
        self.upstream.metrics().answered(taken);
        outcome
    }

    /// What the server offers; it is reached for that if it never was.
    ///
    /// # Errors
    /// The fault of reaching it.
    pub async fn greeting(self: &Arc<Self>) -> Result<Arc<Greeting>, Fault> {
        if let Some(greeting) = self.greeting.load_full() {
            return Ok(greeting);
        }
        drop(self.lease().await?);
        self.greeting.load_full().ok_or(Fault::Internal)
    }

    /// The client's roots changed: legacy peers of its session are told.
    pub fn roots_changed(&self) {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        for peer in peers.iter().filter(|peer| peer.greeting.dialect.is_legacy() && self.key.profile.roots) {
            peer.post(legacy::back::roots_changed());
        }
    }
}
