//! The one place of this tool that asks the system for the time.
use std::time::Instant;

/// The monotonic time now.
#[expect(clippy::disallowed_methods, reason = "the tool shares nothing with the gateway, its clock included")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
