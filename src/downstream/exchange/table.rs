//! The legacy sessions of this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    downstream::settings::SessionSettings,
    mcp::{Caller, Limit, Waist},
    seal::{self, KeyRing, Purpose},
    telemetry::metrics::METRICS,
};

use super::session::Session;

/// All sessions, by the id that their clients send.
pub(super) struct Table {
    ring: Arc<KeyRing>,
    pub(super) settings: Arc<SessionSettings>,
    sessions: Mutex<HashMap<Arc<str>, Arc<Session>>>,
}

impl Table {
    pub(super) fn new(ring: Arc<KeyRing>, settings: SessionSettings) -> Self {
        Self { ring, settings: Arc::new(settings), sessions: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An id for a new session: random, and sealed with its principal, so that it says nothing and cannot be made up.
    pub(super) fn mint(&self, caller: &Caller) -> Option<Arc<str>> {
        let content = format!("{} {}", seal::random_id().ok()?, caller.principal.id());
        self.ring.seal_here(Purpose::Session, content.as_bytes()).ok().map(Into::into)
    }

    /// Takes a session in.
    ///
    /// # Errors
    /// There are too many, in all or of its principal.
    pub(super) fn insert(&self, session: &Arc<Session>) -> Result<(), Limit> {
        let mut sessions = self.lock();
        let is_full = sessions.len() >= self.settings.max;
        // Counting is only worth its time where the principal's limit is the narrower one.
        let is_greedy = self.settings.max_per_principal < self.settings.max
            && sessions.values().filter(|other| other.principal == session.principal).count()
                >= self.settings.max_per_principal;
        if is_full || is_greedy {
            return Err(Limit::Sessions);
        }
        sessions.insert(session.id.clone(), session.clone());
        METRICS.sessions.inc();
        Ok(())
    }

    /// Names a stream of the HTTP+SSE transport.
    pub(super) fn mint_stream(&self) -> Option<String> {
        self.ring.seal_here(Purpose::Stream, seal::random_id().ok()?.as_bytes()).ok()
    }

    /// Whether there is a session with that id, whoever's it is.
    pub(super) fn has(&self, id: &str) -> bool {
        self.lock().contains_key(id)
    }

    /// The session with that id, if it is this caller's on this endpoint; somebody else's does not exist.
    pub(super) fn find(&self, id: &str, principal: &crate::mcp::Principal, endpoint: &str) -> Option<Arc<Session>> {
        let session = self.lock().get(id).cloned()?;
        let is_theirs = session.principal == *principal && *session.endpoint == *endpoint;
        is_theirs.then(|| {
            session.touch();
            session.renew(principal);
            session
        })
    }

    /// Ends a session.
    pub(super) fn remove(&self, id: &str, waist: &dyn Waist) {
        let removed = self.lock().remove(id);
        if let Some(session) = removed {
            METRICS.sessions.dec();
            session.close();
            waist.ended(&session.id);
        }
    }

    /// Ends sessions that nobody uses.
    pub(super) fn reap(&self, waist: &dyn Waist) {
        let limit = self.settings.idle_timeout;
        let idle: Vec<Arc<str>> =
            self.lock().values().filter(|session| session.is_idle(limit)).map(|session| session.id.clone()).collect();
        for id in idle {
            self.remove(&id, waist);
        }
    }

    /// Ends the own streams of all sessions, so that their connections can close.
    pub(super) fn drain(&self) {
        for session in self.lock().values() {
            session.own.finish();
        }
    }
}
