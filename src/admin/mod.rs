//! The operator's listener: health, readiness, metrics, and what operators may do.
//!
//! Plain HTTP on an address of its own, for the machine or the cluster and not for clients. It reveals names of servers and nothing of
//! what is exchanged with them. On loopback it answers only to loopback names and to no web page of
//! another origin.
//!
//! `/healthz`: the process lives. `/readyz`: whether it takes calls. `/metrics`: OpenMetrics. `/api/…`: users' connections, servers, and
//! what servers' programs print, behind more than an address.

mod api;
mod operator;
mod readiness;
mod report;
mod serve;
mod tail;

#[cfg(test)]
mod tests;

pub use api::{Api, Reached};
pub use operator::{Operator, Restarting, Revoked};
pub use readiness::{Part, Phase, Problem, Readiness, Status};
pub use report::{ConnectionReport, ErrorReport, NoServer, ReplicaReport, RestartReport, ServerReport, Started};
pub use serve::serve;
pub use tail::Log;
