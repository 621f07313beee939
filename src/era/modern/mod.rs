//! Revision 2026-07-28: stateless; each request carries its own context.

pub mod back;
mod fault;
pub mod front;
pub(in crate::era) mod header;

pub use fault::fault;
