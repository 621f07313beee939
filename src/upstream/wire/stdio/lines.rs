//! A child's stdout, cut into lines.

use std::io;

use bytes::{Bytes, BytesMut};
use memchr::memchr;
use tokio::{io::AsyncReadExt, net::unix::pipe};

/// Room for each read: what a pipe holds by default, so that one read empties it.
const READ_BYTES: usize = 64 << 10;

/// Where less is left of it, there is new room: most reads are a few answers, which need no buffer of their own.
const LEAST_BYTES: usize = 8 << 10;

/// How much is skipped of one line: a whole result that is much too large, but not one that never ends. Times the limit, and at the least.
const ENDLESS: (u64, u64) = (64, 16 << 20);

/// What is kept of each end of a skipped line: an id, and what stands beside it.
const END_BYTES: usize = 64;

/// What a child wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// One line without its end; never empty. A slice of the read buffer: who keeps it for long should copy it.
    Message(Bytes),
    /// A line above the limit. It is skipped; told as soon as it is known.
    TooLong(Ends),
    /// Such a line has come to its end.
    TooLongUntil(Ends),
    /// Such a line goes on and on: it is of no use to read further.
    Endless,
}

/// What is left of a line that is skipped: enough to tell which call it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Its first bytes.
    pub head: Bytes,
    /// Its last bytes; empty while they are not there.
    pub tail: Bytes,
}

impl Ends {
    fn of(line: &[u8]) -> Self {
        Self { head: Self::head(line), tail: Self::tail(line) }
    }

    fn head(line: &[u8]) -> Bytes {
        Bytes::copy_from_slice(line.get(..END_BYTES).unwrap_or(line))
    }

    fn tail(line: &[u8]) -> Bytes {
        Bytes::copy_from_slice(line.get(line.len().saturating_sub(END_BYTES)..).unwrap_or_default())
    }
}

/// The lines of a child's stdout. Dropping it ends the child: nobody reads it any more.
#[derive(Debug)]
pub struct Lines {
    stdout: pipe::Receiver,
    cutter: Cutter,
}

impl Lines {
    pub(super) fn new(stdout: pipe::Receiver, max_message_bytes: usize) -> Self {
        Self { stdout, cutter: Cutter::new(max_message_bytes) }
    }

    /// The next line; None when the child has closed its stdout or has ended. Empty lines are skipped; what follows the last
    /// line end counts as a line.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it loses nothing.
    pub async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.cutter.next() {
                return Some(line);
            }
            let buffer = self.cutter.room();
            match self.stdout.read_buf(buffer).await {
                Ok(0) => return self.cutter.rest(),
                Err(fault) if fault.kind() != io::ErrorKind::Interrupted => return None,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// Bytes to lines, with no I/O.
#[derive(Debug)]
struct Cutter {
    buffer: BytesMut,
    /// Bytes of `buffer` that hold no line end.
    searched: usize,
    limit: usize,
    /// What is read belongs to a line that was reported as too long: its first bytes.
    skipped: Option<Bytes>,
    /// How much of it was dropped.
    dropped: u64,
}

impl Cutter {
    fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, limit, skipped: None, dropped: 0 }
    }

    /// Where to append what is read.
    fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < LEAST_BYTES {
            self.buffer.reserve(READ_BYTES);
        }
        &mut self.buffer
    }

    fn next(&mut self) -> Option<Line> {
        while let Some(end) = memchr(b'\n', self.buffer.get(self.searched..)?) {
            let mut line = self.buffer.split_to(self.searched + end + 1);
            line.truncate(line.len() - 1);
            self.searched = 0;
            if let Some(line) = self.whole(line) {
                return Some(line);
            }
        }
        self.searched = self.buffer.len();
        // One more for the carriage return, which does not count.
        let too_long = self.searched > self.limit.saturating_add(1);
        if self.skipped.is_none() && !too_long {
            return None;
        }
        let is_news = self.skipped.is_none();
        let head = self.skipped.get_or_insert_with(|| Ends::head(&self.buffer)).clone();
        let kept = self.buffer.len().saturating_sub(END_BYTES.min(self.limit));
        self.buffer = BytesMut::from(self.buffer.get(kept..).unwrap_or_default());
        self.searched = self.buffer.len();
        self.dropped = self.dropped.saturating_add(u64::try_from(kept).unwrap_or(u64::MAX));
        let limit = u64::try_from(self.limit).unwrap_or(u64::MAX);
        if self.dropped > ENDLESS.0.saturating_mul(limit).max(ENDLESS.1) {
            return Some(Line::Endless);
        }
        is_news.then(|| Line::TooLong(Ends { head, tail: Bytes::new() }))
    }

    /// What to say of a line that was read to its end.
    fn whole(&mut self, mut line: BytesMut) -> Option<Line> {
        if let Some(head) = self.skipped.take() {
            self.dropped = 0;
            return Some(Line::TooLongUntil(Ends { head, tail: Ends::tail(&line) }));
        }
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        match line.len() {
            0 => None,
            length if length > self.limit => Some(Line::TooLong(Ends::of(&line))),
            _ => Some(Line::Message(line.freeze())),
        }
    }

    /// The last line, when its end is missing.
    fn rest(&mut self) -> Option<Line> {
        let line = std::mem::take(&mut self.buffer);
        self.searched = 0;
        self.whole(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out when `pieces` are read one after the other.
    fn cut(pieces: &[&[u8]], limit: usize) -> Vec<Line> {
        let mut cutter = Cutter::new(limit);
        let mut lines = Vec::new();
        for piece in pieces {
            cutter.room().extend_from_slice(piece);
            lines.extend(std::iter::from_fn(|| cutter.next()));
            assert!(cutter.buffer.len() <= limit + 1, "more is kept than a line may have");
        }
        lines.extend(cutter.rest());
        lines
    }

    /// The messages, and each line that was too long once: how much of it is seen at a time does not matter.
    fn told(lines: Vec<Line>) -> Vec<Option<Bytes>> {
        let is_news = |line: &Line| !matches!(line, Line::TooLongUntil(_));
        let told = |line| match line {
            Line::Message(text) => Some(text),
            Line::TooLong(_) | Line::TooLongUntil(_) | Line::Endless => None,
        };
        lines.into_iter().filter(is_news).map(told).collect()
    }

    #[test]
    fn a_line_that_goes_on_and_on_is_told_to_be_endless() {
        let mut cutter = Cutter::new(1000);
        let piece = vec![b'x'; 1 << 20];
        let mut told = Vec::new();
        for _ in 0..18 {
            cutter.room().extend_from_slice(&piece);
            told.extend(cutter.next());
        }
        assert!(matches!(told.as_slice(), [Line::TooLong(_), Line::Endless, ..]), "{}", told.len());
    }

    fn message(text: &'static str) -> Line {
        Line::Message(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn lines_come_without_ends_and_empty_ones_not_at_all() {
        assert_eq!(
            cut(&[b"{}\n\n\r\n[1]\r\n", b"{\"a\"", b":1}\n"], 10),
            [message("{}"), message("[1]"), message("{\"a\":1}")]
        );
    }

    #[test]
    fn an_unfinished_last_line_is_a_line() {
        assert_eq!(cut(&[b"{}\n{", b"}"], 10), [message("{}"), message("{}")]);
    }

    #[test]
    fn a_line_at_the_limit_passes_and_one_byte_more_does_not() {
        let too_long = Line::TooLong(Ends::of(b"123456"));
        assert_eq!(cut(&[b"12345\n123456\n12345\r\n"], 5), [message("12345"), too_long, message("12345")]);
    }

    fn head(text: &'static str) -> Line {
        Line::TooLong(Ends { head: Bytes::from_static(text.as_bytes()), tail: Bytes::new() })
    }

    fn until(head: &'static str, tail: &'static str) -> Line {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        Line::TooLongUntil(Ends { head: bytes(head), tail: bytes(tail) })
    }

    #[test]
    fn an_endless_line_is_told_at_once_and_at_its_end() {
        let pieces: [&[u8]; 3] = [b"1234567", b"12345678901234567890", b"abcde"];
        assert_eq!(cut(&pieces, 5), [head("1234567"), until("1234567", "abcde")]);
        let pieces: [&[u8]; 3] = [b"1234567", b"1234567", b"1\n{}\n"];
        assert_eq!(cut(&pieces, 5), [head("1234567"), until("1234567", "345671"), message("{}")]);
    }

    #[test]
    fn messages_of_one_read_share_its_buffer() {
        let mut cutter = Cutter::new(100);
        cutter.room().extend_from_slice(b"first\nsecond\n");
        let start = cutter.buffer.as_ptr();
        let Some(Line::Message(first)) = cutter.next() else { panic!() };
        assert_eq!(first.as_ptr(), start);
    }

    proptest! {
        #[test]
        fn where_the_reads_are_split_does_not_matter(
            lines in proptest::collection::vec("[a-z]{0,12}\r?", 0..20),
            cuts in proptest::collection::vec(1usize..9, 1..9),
        ) {
            let text = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>().into_bytes();
            let mut pieces = Vec::new();
            let mut rest = text.as_slice();
            for size in cuts.iter().cycle() {
                let (piece, left) = rest.split_at((*size).min(rest.len()));
                pieces.push(piece);
                rest = left;
                if rest.is_empty() { break }
            }
            prop_assert_eq!(told(cut(&pieces, 8)), told(cut(&[&text], 8)));
        }
    }
}
