//! One user who is asked to agree.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{clock, mcp::Principal};

/// How long an invitation and each step of it stand (MCP 2026-07-28 security best practices: about ten minutes).
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// Wrong answers to who one is, after which an invitation ends.
const MAX_ATTEMPTS: u32 = 5;

/// A user is asked to agree that a server is called in their name.
pub struct Invitation {
    /// Names it; whoever has it is still nobody.
    pub id: String,
    /// Who was asked: whoever agrees must be the same.
    pub principal: Principal,
    /// The endpoint that they used.
    pub endpoint: Arc<str>,
    /// The server that is meant.
    pub server: Arc<str>,
    pub(super) scopes: BTreeSet<String>,
    done: watch::Sender<bool>,
    until: Instant,
    attempts: AtomicU32,
}

impl Invitation {
    pub(super) fn new(
        id: String,
        principal: &Principal,
        endpoint: &Arc<str>,
        server: &Arc<str>,
        scopes: BTreeSet<String>,
    ) -> Self {
        Self {
            id,
            principal: principal.clone(),
            endpoint: endpoint.clone(),
            server: server.clone(),
            scopes,
            done: watch::Sender::new(false),
            until: clock::now() + LIFETIME,
            attempts: AtomicU32::new(0),
        }
    }

    /// They agreed.
    pub(super) fn done(&self) {
        self.done.send_replace(true);
    }

    /// Turns true when they agreed.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.done.subscribe()
    }

    /// Whether it stands for so long yet.
    pub(super) fn stands_for(&self, time: Duration) -> bool {
        clock::now() + time < self.until
    }

    /// Counts a wrong answer to who they are; whether another one is allowed.
    pub fn failed(&self) -> bool {
        self.attempts.fetch_add(1, Ordering::AcqRel) + 1 < MAX_ATTEMPTS
    }

    pub(super) fn stands(&self) -> bool {
        clock::now() < self.until && self.attempts.load(Ordering::Acquire) < MAX_ATTEMPTS && !*self.done.borrow()
    }
}
