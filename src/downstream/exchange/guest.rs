//! Requests of other gateways that are being answered here.

use tokio::sync::watch;

use crate::telemetry::metrics::{InUse, METRICS};

/// How many there are.
pub(super) struct Guests(watch::Sender<usize>);

impl Default for Guests {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Guests {
    /// One more, for as long as what is returned lives.
    pub(super) fn come(&self) -> Guest {
        self.0.send_modify(|count| *count += 1);
        Guest { count: self.0.clone(), _counted: InUse::of(&METRICS.hops_inside) }
    }

    /// Waits until there is none.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn are_gone(&self) {
        // The sender is here, so that there is always an answer.
        drop(self.0.subscribe().wait_for(|count| *count == 0).await);
    }
}

/// A request of another gateway.
pub(super) struct Guest {
    count: watch::Sender<usize>,
    _counted: InUse,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.count.send_modify(|count| *count -= 1);
    }
}
