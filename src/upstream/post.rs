//! The way out of a wire that carries many calls: what a child's stdin and an HTTP+SSE endpoint have in common.

use bytes::Bytes;

use crate::mcp::UpstreamFault;

use super::wire::stdio::Pace;

/// Carries messages to the other side without waiting.
pub(super) trait Post: Send + Sync {
    /// Sends one message; `token` says which request it is, if it is one.
    fn post(&self, message: Bytes, token: Option<u64>, pace: Pace) -> Result<(), UpstreamFault>;

    /// Sends nothing more. The requests of which nothing was sent.
    fn give_up(&self) -> Vec<u64>;
}
