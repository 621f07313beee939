//! The one source of time.
//!
//! Everything else takes an [`Instant`] or asks here, so that what depends on time can be tested with a time of its own.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A monotonic moment.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, for what leaves the process (expiry inside sealed tokens).
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
