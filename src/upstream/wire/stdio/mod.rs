//! The stdio wire: one JSON-RPC message a line, to and from a child process.
//!
//! [`Child`] starts, feeds and stops the process, [`Lines`] reads it. What a line means is not looked at here, and neither is when
//! to start, restart or give up: that is the pool's. A child gets a small environment of its own (never the gateway's secrets),
//! its process group, and a [guard](crate::guard) above it, so that nothing it started outlives it or the gateway.
//!
//! Bounds: the queue to stdin, the length of a line and of what is skipped of one, the kept lines of stderr and how fast they are read,
//! every wait of the stop sequence.
//!
//! Source: MCP 2026-07-28 and 2025-11-25, basic/transports (stdio: newline-delimited, stderr is free text; shutdown by closing
//! stdin, then SIGTERM, then SIGKILL).

mod child;
mod environment;
mod launch;
mod lines;
mod locate;
mod outbox;
mod process;
mod seat;
mod stderr;
mod supervisor;
#[cfg(test)]
mod tests;

pub use child::Child;
pub use launch::{Launch, QueueLimits, StopGraces};
pub use lines::{Ends, Line, Lines};
pub use locate::StartFault;
pub use outbox::{Pace, SendFault};
pub use stderr::{Following, Stderr, StderrLine};
