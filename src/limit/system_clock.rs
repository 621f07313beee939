//! The program's one source of time in the form that `governor` asks for.

use std::time::{Duration, Instant};

use governor::clock::Clock;

use crate::clock;

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
