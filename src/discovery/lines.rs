//! A watch's stream, line by line: one JSON object each.
//!
//! Source: Kubernetes, API Concepts, Efficient detection of changes.

use bytes::BytesMut;

use crate::upstream::wire::http::Body;

use super::fault::AskFault;

/// The longest line. An object has at most 1.5 MiB in the store (etcd, `--max-request-bytes`), and some more as text.
pub(super) const MAX_LINE_BYTES: usize = 4 << 20;

/// The lines of a body.
pub(super) struct Lines {
    body: Body,
    buffer: BytesMut,
    /// How much of the buffer has no end of a line.
    looked_at: usize,
}

impl Lines {
    pub(super) fn new(body: Body) -> Self {
        Self { body, buffer: BytesMut::new(), looked_at: 0 }
    }

    /// The next line, without its end; nothing at the end. What is cut off there is dropped.
    ///
    /// # Errors
    /// A line that does not end, as soon as it is too long; the connection broke.
    ///
    /// # Cancel safety
    /// Safe: what was read stays.
    pub(super) async fn next(&mut self) -> Result<Option<BytesMut>, AskFault> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', self.buffer.get(self.looked_at..).unwrap_or_default()) {
                let line = self.buffer.split_to(self.looked_at + end + 1);
                self.looked_at = 0;
                if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                    return Ok(Some(line));
                }
                continue;
            }
            self.looked_at = self.buffer.len();
            if self.looked_at > MAX_LINE_BYTES {
                return Err(AskFault::TooLarge);
            }
            match self.body.piece().await.map_err(AskFault::Broken)? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
    }
}
