//! Pins: what each tool, prompt, resource and template was when somebody approved it, and what its server says of itself, so that a server
//! that changes one later is noticed.
//!
//! A definition is what a model or a person reads of a thing: name, title, description, schemas and so on. `myelin.lock` holds those that
//! were approved; a [`Screen`] compares. Nothing here asks a server or decides what a caller may do.
//!
//! Sources: RFC 8785 for the canonical form, but that numbers stay as they were written; FIPS 180-4 (SHA-256); docs/pins.md.

mod canonical;
mod diff;
mod kind;
mod lock;
mod screen;

pub use diff::{Change, differences};
pub use kind::Kind;
pub use lock::{Approved, Lock, LockFault, Pinned, Pins};
pub use screen::{Finding, Mode, Reason, Screen, Verdict};
