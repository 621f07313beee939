//! Attempts to reach a server of which nothing is known yet: how long one goes on, and how the last one ended.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{clock, mcp::UpstreamFault};

/// After an attempt that failed, the next one that nobody waits for is begun no sooner.
const PAUSE: Duration = Duration::from_secs(1);

/// The attempts to reach one server.
#[derive(Debug, Default)]
pub(super) struct Reach(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    failed: Option<(Instant, UpstreamFault)>,
}

impl Reach {
    /// An attempt begins.
    pub(super) fn begin(&self) -> Attempt<'_> {
        self.lock().since = Some(clock::now());
        Attempt(self)
    }

    /// Whether the server is not worth waiting for: it has let somebody wait for so long already, or the last attempt failed.
    pub(super) fn is_late(&self, deadline: Duration) -> bool {
        let state = self.lock();
        let is_long = |since: Instant| clock::now().saturating_duration_since(since) >= deadline;
        state.failed.is_some() || state.since.is_some_and(is_long)
    }

    /// Whether an attempt that nobody waits for may begin.
    pub(super) fn may_begin(&self) -> bool {
        let state = self.lock();
        let is_recent = |(at, _): &(Instant, UpstreamFault)| clock::now().saturating_duration_since(*at) < PAUSE;
        state.since.is_none() && !state.failed.as_ref().is_some_and(is_recent)
    }

    /// Why it could not be reached, if that was found since then.
    pub(super) fn failed_since(&self, asked: Instant) -> Option<UpstreamFault> {
        self.lock().failed.filter(|(at, _)| *at >= asked).map(|(_, fault)| fault)
    }

    /// Why it could not be reached last, and how long ago; nothing once it was.
    pub(super) fn last_failure(&self) -> Option<(UpstreamFault, Duration)> {
        self.lock().failed.map(|(at, fault)| (fault, clock::now().saturating_duration_since(at)))
    }

    /// It is tried again as if nothing had happened.
    pub(super) fn forget_failure(&self) {
        self.lock().failed = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt under way. Dropped before it ended, it counts as none.
pub(super) struct Attempt<'a>(&'a Reach);

impl Attempt<'_> {
    /// It ended.
    pub(super) fn ended<T>(self, result: Result<T, UpstreamFault>) -> Result<T, UpstreamFault> {
        self.0.lock().failed = result.as_ref().err().map(|fault| (clock::now(), *fault));
        result
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.lock().since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_failed_or_lets_wait_is_late_until_it_is_reached() {
        let reach = Reach::default();
        assert!(!reach.is_late(Duration::ZERO) && reach.may_begin());
        let attempt = reach.begin();
        assert!(reach.is_late(Duration::ZERO) && !reach.is_late(Duration::from_secs(3600)) && !reach.may_begin());
        let asked = clock::now();
        assert!(attempt.ended::<()>(Err(UpstreamFault::Timeout)).is_err());
        assert!(reach.is_late(Duration::from_secs(3600)) && !reach.may_begin(), "it pauses after a failure");
        assert_eq!(reach.failed_since(asked), Some(UpstreamFault::Timeout));
        assert_eq!(reach.failed_since(clock::now() + PAUSE), None);
        reach.begin().ended(Ok(())).unwrap();
        assert!(!reach.is_late(Duration::ZERO) && reach.may_begin());
    }
}
