//! The one place of this program that asks the system for the time.

use std::time::Instant;

/// The monotonic time now.
#[expect(clippy::disallowed_methods, reason = "the program shares nothing with the gateway, its clock included")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
