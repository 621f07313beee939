//! Revisions 2024-11-05 to 2025-11-25: a handshake, a session, and servers that ask questions in mid-call.

pub mod back;
mod downgrade;
mod fault;
pub mod front;
mod question;
pub mod task;

pub use fault::{Told, fault, lost, session_unknown};
