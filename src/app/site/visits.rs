//! Who was sent to an issuer to sign in, until they come back: bounded in number and in time, each taken once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{auth::LoginStep, clock, upstream::credential::oauth::Invitation};

/// Visits at the most, about 1 KiB each; the oldest go.
const MAX: usize = 10_000;
/// How long somebody has to sign in (MCP 2026-07-28 security best practices: about ten minutes).
const LIFETIME: Duration = Duration::from_secs(600);

/// Somebody who was sent to an issuer.
pub(super) struct Visit {
    pub(super) invitation: Arc<Invitation>,
    /// The browser that was sent.
    pub(super) browser: String,
    pub(super) issuer: String,
    pub(super) step: LoginStep,
}

/// All of them, in the order of their going.
#[derive(Default)]
pub(super) struct Visits(Mutex<VecDeque<(String, Instant, Visit)>>);

impl Visits {
    /// Remembers a visit under its `state`.
    pub(super) fn insert(&self, state: String, visit: Visit) {
        let now = clock::now();
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while visits.len() >= MAX || visits.front().is_some_and(|(_, until, _)| *until <= now) {
            visits.pop_front();
        }
        visits.push_back((state, now + LIFETIME, visit));
    }

    /// The visit of that `state`, once.
    pub(super) fn take(&self, state: &str) -> Option<Visit> {
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = visits.iter().position(|(known, ..)| known == state)?;
        visits.remove(place).filter(|(_, until, _)| clock::now() < *until).map(|(.., visit)| visit)
    }
}
