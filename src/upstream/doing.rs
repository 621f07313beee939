//! What a server is doing, for the metric: the newest thing that any of its groups saw.

use std::sync::{Mutex, PoisonError};

use crate::telemetry::{label::UpstreamState, metrics::ServerMetrics};

/// What a server is doing.
pub(super) struct Doing {
    now: Mutex<UpstreamState>,
    metrics: ServerMetrics,
}

impl Doing {
    /// Nothing yet.
    pub(super) fn new(metrics: ServerMetrics) -> Self {
        metrics.state(UpstreamState::Idle);
        Self { now: Mutex::new(UpstreamState::Idle), metrics }
    }

    /// It does this from now on.
    pub(super) fn enter(&self, now: UpstreamState) {
        let mut state = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != now {
            *state = now;
            self.metrics.state(now);
        }
    }

    pub(super) fn now(&self) -> UpstreamState {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
