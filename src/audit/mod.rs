//! The audit log: who did what, decided how and ended how, one line each, in a file whose lines hang together.
//!
//! It is not the log for operators ([`telemetry`](crate::telemetry)): nothing in it is sampled, and no line can be changed, taken out or
//! put in without the chain of hashes showing it. Calls never wait for it: they hand their lines over, and one thread chains and writes
//! them. What cannot be written is counted and said in the chain itself.
//!
//! Sources: docs/audit.md for the form of a line; FIPS 180-4 (SHA-256), RFC 2104 (HMAC).

mod arguments;
mod chain;
mod draft;
mod file;
mod handle;
mod line;
mod queue;
mod record;
pub mod settings;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use chain::Head;
pub use file::AuditFault;
pub use handle::{Audit, Entry};
pub use line::{Event, Line, Who};
pub use record::{Ended, Note, Refusal};
pub use verify::{Break, Report, Verifier, VerifyFault, Wrong};
