//! Lines in, lines out: the stdio framing of MCP with a limit on each line.
//!
//! It is not a parser: a line is bytes here. A line over the limit is skipped up to its newline, so that one oversized
//! message costs an error and not the process.
//! Source: MCP stdio transport (one message per line, no newline inside, UTF-8).

use std::io::{self, BufRead, Read, Write};

use serde_json::Value;

/// The longest line that is read, in bytes: far above any honest call to these servers, far below what would hurt.
pub(super) const LINE_LIMIT_BYTES: usize = 1 << 20;

/// What one read yields.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The bytes of one line, without a promise that they are JSON.
    Whole(Vec<u8>),
    /// A line over [`LINE_LIMIT_BYTES`]; its bytes are gone.
    TooLong,
}

/// Reads the next line; `None` at the end of the input.
pub(super) fn read_line<R: BufRead>(input: &mut R) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(LINE_LIMIT_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let read = input.by_ref().take(limit).read_until(b'\n', &mut bytes)?;
    if read == 0 {
        return Ok(None);
    }
    if bytes.last() != Some(&b'\n') && bytes.len() > LINE_LIMIT_BYTES {
        skip_line(input)?;
        return Ok(Some(Line::TooLong));
    }
    Ok(Some(Line::Whole(bytes)))
}

fn skip_line<R: BufRead>(input: &mut R) -> io::Result<()> {
    loop {
        let chunk = input.fill_buf()?;
        let (used, done) = match chunk.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (chunk.len(), chunk.is_empty()),
        };
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}

/// Where messages leave: whoever has one can speak to the client at once, also in the middle of a call.
pub(super) trait Outlet {
    /// Sends one message. A failure is kept for whoever owns the outlet; a tool has no use for it.
    fn send(&mut self, message: &Value);
}

/// The outgoing side of the pipe. Each message is flushed, because the other side may be waiting for just this one.
#[derive(Debug)]
pub(super) struct Outbox<W> {
    output: W,
    failure: Option<io::Error>,
}

impl<W: Write> Outbox<W> {
    pub(super) fn new(output: W) -> Self {
        Self { output, failure: None }
    }

    /// Reports the first write that failed since the last check.
    pub(super) fn check(&mut self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn write(&mut self, message: &Value) -> io::Result<()> {
        // serde_json escapes newlines inside strings, so that the only raw one is the terminator.
        let mut bytes = serde_json::to_vec(message)?;
        bytes.push(b'\n');
        self.output.write_all(&bytes)?;
        self.output.flush()
    }
}

impl<W: Write> Outlet for Outbox<W> {
    fn send(&mut self, message: &Value) {
        if self.failure.is_none() {
            self.failure = self.write(message).err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_a_line_one_byte_over_the_limit_and_reads_the_next() {
        let mut input = vec![b'x'; LINE_LIMIT_BYTES + 1];
        input.extend_from_slice(b"\nnext\n");
        let mut input = input.as_slice();
        assert_eq!(read_line(&mut input).unwrap(), Some(Line::TooLong));
        assert_eq!(read_line(&mut input).unwrap(), Some(Line::Whole(b"next\n".to_vec())));
        assert_eq!(read_line(&mut input).unwrap(), None);
    }

    #[test]
    fn reads_a_line_at_the_limit() {
        let mut input = vec![b'x'; LINE_LIMIT_BYTES];
        input.push(b'\n');
        let expected = input.clone();
        assert_eq!(read_line(&mut input.as_slice()).unwrap(), Some(Line::Whole(expected)));
    }

    #[test]
    fn a_last_line_without_newline_counts() {
        assert_eq!(read_line(&mut &b"{}"[..]).unwrap(), Some(Line::Whole(b"{}".to_vec())));
    }

    #[test]
    fn a_message_never_holds_a_raw_newline() {
        let mut written = Vec::new();
        Outbox::new(&mut written).send(&serde_json::json!({"text": "a\nb\r\nc"}));
        assert_eq!(memchr::memchr_iter(b'\n', &written).count(), 1);
    }
}
