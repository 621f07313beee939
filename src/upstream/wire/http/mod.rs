//! The HTTP client: carries one request to an upstream and hands its answer back.
//!
//! It knows connections, not MCP: no session, no retry of a call, no meaning of a status. It follows no redirect, uses no proxy and
//! decodes no content coding, so that what an upstream sees and says is what passes. A connection is driven by the task that uses
//! it: no second task, no channel between tasks, one wake-up for each piece of an answer. HTTP/2, where one connection serves many
//! calls, has a task of its own.
//!
//! Sources: RFC 9110, 9112 (HTTP/1.1), 9113 (HTTP/2), 7301 (ALPN); MCP 2026-07-28 basic/transports (closing a stream cancels).

mod body;
mod client;
mod dial;
mod fault;
mod link;
mod multiplexed;
mod origin;
mod pool;
mod reach;
mod relay;
mod replicas;
mod tls;
mod transport;

#[cfg(test)]
mod tests;

pub use body::Body;
pub use client::{Client, Incoming, Outgoing};
pub use fault::{ClientFault, HttpFault, Phase, Violation};
pub use replicas::{Answered, Condition, Opinion, Pin, ReplicaStatus, Replicas, Stay, To};
