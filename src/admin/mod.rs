//! The operator's listener: health, readiness, metrics.
//!
//! Plain HTTP on an address of its own, for the machine or the cluster and not for clients. It reveals names of servers and nothing of
//! what is exchanged with them; nothing can be changed through it. On loopback it answers only to loopback names and to no web page of
//! another origin.
//!
//! `/healthz`: the process lives. `/readyz`: whether it takes calls. `/metrics`: OpenMetrics.

mod readiness;
mod serve;

#[cfg(test)]
mod tests;

pub use readiness::{Part, Phase, Problem, Readiness, Status};
pub use serve::serve;
