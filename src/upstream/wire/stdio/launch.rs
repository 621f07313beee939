//! How children are started: the gateway's side of it, the same for all of them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::stderr::Stderr;

/// How a child is started, bounded and stopped; [`UpstreamSettings`](crate::upstream::settings::UpstreamSettings) has the rest.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program that is run as `GUARD guard -- COMMAND ARGS…`; without one the command is started directly, and what it
    /// leaves behind in other process groups survives.
    pub guard: Option<PathBuf>,
    /// The longest line accepted from the child, in bytes.
    pub max_message_bytes: usize,
    /// How much may wait for the child to read its stdin.
    pub queue: QueueLimits,
    /// Where the lines of stderr go.
    pub stderr: Arc<Stderr>,
    /// How long each step of a stop may take.
    pub graces: StopGraces,
}

impl Launch {
    /// The defaults, with this longest line.
    pub fn new(max_message_bytes: usize) -> Self {
        Self {
            guard: own_executable(),
            max_message_bytes,
            queue: QueueLimits::default(),
            stderr: Arc::default(),
            graces: StopGraces::default(),
        }
    }
}

/// How much may wait for a child to read its stdin. A single message is always taken when nothing waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages at the most.
    pub messages: usize,
    /// Bytes at the most.
    pub bytes: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        // Above what a pool lets be in flight on one child, and a few large messages.
        Self { messages: 1024, bytes: 8 << 20 }
    }
}

/// How long a stop waits after each step before it takes the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopGraces {
    /// After stdin was closed.
    pub eof: Duration,
    /// After SIGTERM.
    pub term: Duration,
}

impl Default for StopGraces {
    fn default() -> Self {
        // MCP says "a reasonable time"; 2 s is what the official TypeScript and Python clients wait.
        Self { eof: Duration::from_secs(2), term: Duration::from_secs(2) }
    }
}

/// This very program. The link and not what it points to: it still works when the file was replaced by a newer one.
fn own_executable() -> Option<PathBuf> {
    cfg!(target_os = "linux").then(|| PathBuf::from("/proc/self/exe"))
}
