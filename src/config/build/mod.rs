//! The second stage: from what was written to the settings that the components obey.
//!
//! Each value is right by itself already. What is checked here is what several values say together.

mod audit;
mod auth;
mod authority;
mod credential;
mod discovery;
mod endpoint;
mod file;
mod found;
mod hop;
mod limit;
mod pin;
mod policy;
mod replicas;
mod sandbox;
mod server;
mod wire;

pub(super) use file::{note_emptiness, settings};
pub use server::stdio_upstream;
