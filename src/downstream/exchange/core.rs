//! What all requests have in common: the waist behind them, the limits, the sessions and the open streams.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{
    downstream::settings::{HttpSettings, SessionSettings},
    mcp::Waist,
    seal::KeyRing,
    telemetry::metrics::{InUse, METRICS},
};

use super::{connections::Connections, gate::Gate, paths::Paths, table::Table};

/// The adapter between HTTP and the waist.
pub struct Exchange {
    pub(super) waist: Arc<dyn Waist>,
    pub(super) http: HttpSettings,
    pub(super) table: Table,
    pub(super) connections: Connections,
    pub(super) gate: Arc<Gate>,
    pub(super) paths: Arc<Paths>,
    pub(super) slots: Arc<Semaphore>,
}

impl Exchange {
    /// An adapter for a listener.
    pub fn new(
        waist: Arc<dyn Waist>,
        http: HttpSettings,
        sessions: SessionSettings,
        gate: Arc<Gate>,
        paths: Arc<Paths>,
        ring: Arc<KeyRing>,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(http.max_requests.min(Semaphore::MAX_PERMITS)));
        let table = Table::new(ring, sessions);
        Self { waist, http, table, connections: Connections::default(), gate, paths, slots }
    }

    /// Ends sessions that nobody uses. To be called every now and then.
    pub fn reap(&self) {
        self.table.reap(&*self.waist);
    }

    /// Ends the streams that wait for nothing, so that their connections can close.
    pub fn drain(&self) {
        self.table.drain();
    }

    /// A place for a subscription stream where one is needed; `None` when there is none left.
    pub(super) fn stream_slot(&self, is_needed: bool) -> Option<Option<InUse>> {
        if is_needed { take_slot(self.http.max_streams).map(Some) } else { Some(None) }
    }
}

/// A place among the open subscription streams.
fn take_slot(max: usize) -> Option<InUse> {
    let open = METRICS.streams.get();
    (open < i64::try_from(max).unwrap_or(i64::MAX)).then(|| InUse::of(&METRICS.streams))
}
