//! Pins: what each tool was when somebody approved it, so that a server that changes one later is noticed.
//!
//! A tool's definition is what a model or a person reads of it: name, title, description, schemas, annotations. `myelin.lock` holds those
//! that were approved; a [`Screen`] compares. Nothing here asks a server or decides what a caller may do.
//!
//! Sources: RFC 8785 for the canonical form, but that numbers stay as they were written; FIPS 180-4 (SHA-256); docs/pins.md.

mod canonical;
mod diff;
mod lock;
mod screen;

pub use diff::{Change, differences};
pub use lock::{Lock, LockFault, Pinned, Pins};
pub use screen::{Finding, Mode, Reason, Screen, Verdict};
