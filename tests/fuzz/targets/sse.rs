//! Where a stream is split changes nothing; what is encoded is read back; a limit only ends a stream early.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use myelin::{
    jsonrpc::one_line,
    sse::{Event, Parser, encode},
};

const ROOM: usize = 1 << 24;

// The first byte says how the rest is split.
fuzz_target!(|data: &[u8]| {
    let Some((&seed, stream)) = data.split_first() else { return };
    let whole = events(stream, stream.len(), ROOM);
    let split = 1 + usize::from(seed) % 16;
    assert_eq!(events(stream, split, ROOM), whole);
    for size in [split, stream.len()] {
        assert!(whole.starts_with(&events(stream, size, usize::from(seed))));
    }
    let read = events(&encode(Bytes::copy_from_slice(stream), Some("7")), split, ROOM);
    let expected = Event { name: "message".into(), data: one_line(Bytes::copy_from_slice(stream)), id: Some("7".into()), retry_ms: None };
    assert_eq!(read, [expected]);
});

/// The events of a stream that arrives in pieces of this size, up to the limit.
fn events(stream: &[u8], size: usize, limit: usize) -> Vec<Event> {
    let mut parser = Parser::new(limit);
    let mut events = Vec::new();
    for piece in stream.chunks(size.max(1)) {
        parser.push(piece);
        loop {
            match parser.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return events,
            }
        }
    }
    events
}
