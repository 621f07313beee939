//! Server-sent events: bytes to events and back.
//!
//! The parser takes the stream in pieces split anywhere, keeps at most one event, and hands out slices of what it was fed. It
//! accepts what the standard accepts (LF, CR, CRLF, a byte order mark, comments, unknown fields, several `data` lines) and refuses an
//! event beyond its limit. The encoder writes one `data` line per message.
//!
//! Source: WHATWG HTML, section 9.2 (server-sent events); MCP 2025-11-25 basic/transports.

use bytes::{Buf, Bytes, BytesMut};

use crate::jsonrpc::one_line;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; empty when there was none.
    pub name: Bytes,
    /// The `data` lines joined by line feeds.
    pub data: Bytes,
    /// The `id` field of this event, when it had one.
    pub id: Option<Bytes>,
    /// The `retry` field of this event in milliseconds.
    pub retry_ms: Option<u64>,
}

/// An event is larger than the parser's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {limit} bytes")]
pub struct TooLarge {
    /// The limit in bytes.
    pub limit: usize,
}

/// Incremental parser: [`Parser::push`] bytes, then take events until there is none.
#[derive(Debug)]
pub struct Parser {
    buffer: BytesMut,
    /// Bytes of `buffer` that were searched for a line end already.
    searched: usize,
    event: Event,
    /// The joined lines, from the second line on.
    data: BytesMut,
    data_lines: usize,
    has_fields: bool,
    started: bool,
    /// The last line ended in CR: a LF that follows belongs to it.
    skip_line_feed: bool,
    limit: usize,
}

impl Parser {
    /// A parser that keeps at most `limit` bytes of one event.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            searched: 0,
            event: Event::default(),
            data: BytesMut::new(),
            data_lines: 0,
            has_fields: false,
            started: false,
            skip_line_feed: false,
            limit,
        }
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event. An event without `data` is handed out too when it has an `id` or `retry` (a priming event).
    ///
    /// # Errors
    /// [`TooLarge`]; the stream cannot be followed after it.
    pub fn next_event(&mut self) -> Result<Option<Event>, TooLarge> {
        self.skip_byte_order_mark();
        while let Some(line) = self.next_line() {
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Ok(Some(event));
                }
            } else {
                self.field(&line);
            }
            self.check_size()?;
        }
        self.check_size()?;
        Ok(None)
    }

    fn check_size(&self) -> Result<(), TooLarge> {
        let unfinished_line = if self.searched == self.buffer.len() { self.buffer.len() } else { 0 };
        let data = if self.data_lines > 1 { self.data.len() } else { self.event.data.len() };
        if unfinished_line + data > self.limit { Err(TooLarge { limit: self.limit }) } else { Ok(()) }
    }

    fn skip_byte_order_mark(&mut self) {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        if !self.started && !self.buffer.is_empty() {
            if self.buffer.starts_with(MARK) {
                self.buffer.advance(MARK.len());
            } else if MARK.starts_with(&self.buffer) {
                return;
            }
            self.started = true;
        }
    }

    fn next_line(&mut self) -> Option<Bytes> {
        if !self.started {
            return None;
        }
        if self.skip_line_feed && !self.buffer.is_empty() {
            if self.buffer.starts_with(b"\n") {
                self.buffer.advance(1);
            }
            self.skip_line_feed = false;
            self.searched = 0;
        }
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(found) = memchr::memchr2(b'\n', b'\r', unsearched) else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + found;
        self.skip_line_feed = self.buffer.get(end) == Some(&b'\r');
        let line = self.buffer.split_to(end).freeze();
        self.buffer.advance(1);
        self.searched = 0;
        Some(line)
    }

    fn field(&mut self, line: &Bytes) {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let value_at = match line.get(colon + 1) {
            Some(b' ') => colon + 2,
            Some(_) => colon + 1,
            None => line.len(),
        };
        let value = line.slice(value_at..);
        match line.get(..colon).unwrap_or_default() {
            b"data" => self.add_data(value),
            b"event" => self.event.name = value,
            b"id" if !value.contains(&0) => {
                self.event.id = Some(value);
                self.has_fields = true;
            }
            b"retry" => {
                self.event.retry_ms = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
                self.has_fields |= self.event.retry_ms.is_some();
            }
            _ => (),
        }
    }

    /// The usual single line is kept as the slice that it is; only a second line makes a copy.
    fn add_data(&mut self, value: Bytes) {
        self.has_fields = true;
        self.data_lines += 1;
        if self.data_lines == 1 {
            self.event.data = value;
            return;
        }
        if self.data_lines == 2 {
            self.data.extend_from_slice(&self.event.data);
        }
        self.data.extend_from_slice(b"\n");
        self.data.extend_from_slice(&value);
    }

    fn dispatch(&mut self) -> Option<Event> {
        let mut event = std::mem::take(&mut self.event);
        let joined = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.data_lines) > 1 {
            event.data = joined.freeze();
        }
        std::mem::take(&mut self.has_fields).then_some(event)
    }
}

/// A comment line, the keep-alive of an idle stream.
pub const KEEP_ALIVE: &[u8] = b":\r\n\r\n";

/// One message as an event; with an id when the stream can be resumed.
pub fn encode(message: Bytes, id: Option<&str>) -> Bytes {
    let message = one_line(message);
    let mut out = BytesMut::with_capacity(message.len() + 32 + id.map_or(0, str::len));
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"event: message\ndata: ");
    out.extend_from_slice(&message);
    out.extend_from_slice(b"\n\n");
    out.freeze()
}

/// The priming event of a resumable stream (2025-11-25): an id and empty data.
pub fn encode_priming(id: &str, retry_ms: u64) -> Bytes {
    Bytes::from(format!("id: {id}\nretry: {retry_ms}\ndata: \n\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse_in_pieces(stream: &[u8], sizes: &[usize]) -> Vec<Event> {
        let mut parser = Parser::new(1 << 20);
        let mut events = Vec::new();
        let mut rest = stream;
        let mut sizes = sizes.iter().copied().cycle();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
            parser.push(piece);
            rest = after;
            while let Some(event) = parser.next_event().unwrap() {
                events.push(event);
            }
        }
        events
    }

    fn event(name: &'static str, data: &'static str) -> Event {
        Event { name: name.into(), data: data.into(), ..Event::default() }
    }

    #[test]
    fn reads_every_line_end_comments_marks_and_joined_data() {
        let stream = b"\xEF\xBB\xBF: hello\r\nevent: a\r\ndata: 1\r\n\r\ndata:2\ndata\ndata: 3\n\nevent: b\rdata:  4\r\rignored: x\n\n";
        let expected = vec![event("a", "1"), event("", "2\n\n3"), event("b", " 4")];
        assert_eq!(parse_in_pieces(stream, &[stream.len()]), expected);
    }

    #[test]
    fn hands_out_a_priming_event() {
        let events = parse_in_pieces(&encode_priming("s/1", 500), &[7]);
        assert_eq!(events, [Event { id: Some("s/1".into()), retry_ms: Some(500), ..Event::default() }]);
    }

    #[test]
    fn refuses_an_event_one_byte_past_the_limit() {
        let mut parser = Parser::new(10);
        parser.push(b"data: 1234");
        assert_eq!(parser.next_event(), Ok(None));
        parser.push(b"5");
        assert_eq!(parser.next_event(), Err(TooLarge { limit: 10 }));
    }

    proptest! {
        #[test]
        fn the_split_of_the_bytes_changes_nothing(
            text in "(data: ?[a-c]{0,3}(\r\n|\n|\r)|id: [0-9](\r\n|\n|\r)|event: x(\n|\r)|:c\n|\n|\r\n|\r){0,20}",
            sizes in proptest::collection::vec(1usize..5, 1..6),
        ) {
            prop_assert_eq!(parse_in_pieces(text.as_bytes(), &sizes), parse_in_pieces(text.as_bytes(), &[text.len().max(1)]));
        }

        #[test]
        fn what_is_encoded_is_read_back(message in "[ -~]{0,40}", sizes in proptest::collection::vec(1usize..9, 1..6)) {
            let events = parse_in_pieces(&encode(Bytes::from(message.clone()), Some("7")), &sizes);
            prop_assert_eq!(events, vec![Event { name: "message".into(), data: message.into(), id: Some("7".into()), retry_ms: None }]);
        }
    }
}
