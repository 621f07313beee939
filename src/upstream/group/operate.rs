//! What an operator sees and changes of a group.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use crate::{clock, mcp::UpstreamFault, upstream::peer::Peer};

use super::{
    core::{Failures, Group},
    key::Owner,
};

impl Group {
    /// Whose it is.
    pub(in crate::upstream) const fn owner(&self) -> &Owner {
        &self.key.owner
    }

    /// Its peers that are alive.
    pub(in crate::upstream) fn peers_now(&self) -> Vec<Arc<Peer>> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.iter().filter(|peer| peer.is_alive()).cloned().collect()
    }

    /// Calls that wait for one.
    pub(in crate::upstream) fn waiting_now(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// How a start failed last, and how long ago; nothing once one succeeds, and while one goes on.
    pub(in crate::upstream) fn last_failure(&self) -> Option<(UpstreamFault, Duration)> {
        let failures = self.starting.try_lock().ok()?;
        Some((failures.fault?, clock::now().saturating_duration_since(failures.at?)))
    }

    /// Takes its peers away: calls on them go on, others get new ones.
    pub(in crate::upstream) fn set_aside(&self) -> Vec<Arc<Peer>> {
        let peers = std::mem::take(&mut *self.peers.lock().unwrap_or_else(PoisonError::into_inner));
        self.released.notify_waiters();
        peers
    }

    /// It is tried again with the next call, however often it failed. One that is being tried just now is anyway.
    pub(in crate::upstream) fn release(&self) {
        if let Ok(mut failures) = self.starting.try_lock() {
            *failures = Failures::default();
        }
    }
}
