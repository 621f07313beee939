//! What a group does with a call, and what it knows of its server.

use std::sync::{Arc, PoisonError};

use crate::{
    clock,
    era::legacy,
    mcp::{Fault, Outcome, Stage},
    upstream::{
        converse::{Patience, converse},
        errand::{Errand, Greeting, Tasking},
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
        // Who waits for a task's end waits in silence.
        let silence = if errand.tasking.awaited().is_some() { settings.total_timeout } else { settings.timeout };
        let patience = Patience { silence, total: settings.total_timeout };
        let known = match &errand.tasking {
            Tasking::About(_, _, Some(mark)) => self.lease_of(mark),
            _ => None,
        };
        let leased = match known {
            Some(lease) => Ok(lease),
            None => self.lease().await,
        };
        let lease = match leased {
            Ok(lease) => lease,
            Err(fault) => return Outcome::Failed(fault),
        };
        lease.peer.raise_log_level(errand.caller.log).await;
        let started = clock::now();
        let trace = errand.trace.clone();
        let mut outcome = match lease.peer.start(&errand) {
            Ok(exchange) => converse(exchange, stage, errand, self.server().clone(), patience).await,
            Err(fault) => Outcome::Failed(Fault::Broken(self.server().clone(), fault)),
        };
        if let Outcome::Task(task) = &mut outcome {
            task.peer.clone_from(&lease.peer.mark);
            self.keep_for_task(task.ttl);
        }
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
