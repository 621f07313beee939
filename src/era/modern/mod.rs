//! Revision 2026-07-28: stateless; each request carries its own context.

pub mod back;
mod fault;
pub mod front;
pub(super) mod operation;
pub mod task;

pub use fault::fault;
