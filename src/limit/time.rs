//! Time as limits need it: in the form that `governor` asks for, of the calendar, and to wait for.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use governor::clock::Clock;

use crate::clock;

/// Something that waits.
pub(super) type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of time.
pub trait Time: Clock<Instant = Duration> + Clone + Send + Sync + 'static {
    /// The time since 1970.
    fn unix(&self) -> Duration;

    /// Ready after that time.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The time since it was made.
#[derive(Clone, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: clock::now() }
    }
}

impl Clock for SystemClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }
}

impl Time for SystemClock {
    fn unix(&self) -> Duration {
        clock::unix_time()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(time))
    }
}
