//! Access lines for machines, written together: one system call for all that came within a moment.
//!
//! A line each through the general log costs a third of a call's time; a buffer and a thread of its own take that off the calls. A full
//! buffer makes its writer wait: lines are never dropped.

use std::{
    cell::Cell,
    io::Write,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::metrics::METRICS;
use crate::clock;

/// How long lines wait for others.
const GATHER: Duration = Duration::from_millis(20);
/// Bytes that may wait; who finds more writes them itself.
const MAX_BYTES: usize = 1 << 20;

/// Lines on their way to standard error.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    /// The buffer that is written, or was: held by whoever writes, so that lines stay in their order.
    writing: Mutex<Vec<u8>>,
    some: Condvar,
}

impl Lines {
    /// Lines with a thread that writes them; it lives as long as the process.
    pub(super) fn start() -> Option<Self> {
        let lines = Self::default();
        let writer = lines.clone();
        let spawned =
            thread::Builder::new().name("myelin-log".to_owned()).stack_size(64 << 10).spawn(move || writer.run());
        spawned.ok().map(|_| lines)
    }

    fn run(&self) {
        loop {
            let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.0.some.wait_while(waiting, |waiting| waiting.is_empty()));
            thread::sleep(GATHER);
            self.flush();
        }
    }

    /// Adds a line: `fill` appends it, without its end.
    pub(super) fn add(&self, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = waiting.is_empty();
        fill(&mut waiting);
        waiting.push(b'\n');
        let is_full = waiting.len() > MAX_BYTES;
        drop(waiting);
        if is_full {
            METRICS.log_overflows.inc();
            self.flush();
        } else if was_empty {
            self.0.some.notify_one();
        }
    }

    /// Writes what waits.
    pub(super) fn flush(&self) {
        let mut writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner), &mut *writing);
        // Where standard error is closed there is nobody to tell.
        let _ = std::io::stderr().write_all(&writing);
        writing.clear();
    }
}

/// The moment in the form of RFC 3339, in UTC with microseconds; `since_1970` is the time since then.
pub fn write_time(out: &mut Vec<u8>, since_1970: Duration) {
    let seconds = since_1970.as_secs();
    let (known, text) = SECOND.get();
    if known == seconds {
        out.extend_from_slice(&text);
    } else {
        let from = out.len();
        write_second(out, seconds);
        if let Some(text) = out.get(from..).and_then(|text| text.try_into().ok()) {
            SECOND.set((seconds, text));
        }
    }
    number(out, since_1970.subsec_micros().into(), 100_000, b'Z');
}

thread_local! {
    /// The last second that was written, and how: each call has a line or two with a moment in it.
    static SECOND: Cell<(u64, [u8; 20])> = const { Cell::new((u64::MAX, [0; 20])) };
}

fn write_second(out: &mut Vec<u8>, seconds: u64) {
    let (year, month, day) = clock::date(seconds / 86_400);
    number(out, year, 1000, b'-');
    number(out, month, 10, b'-');
    number(out, day, 10, b'T');
    number(out, seconds / 3600 % 24, 10, b':');
    number(out, seconds / 60 % 60, 10, b':');
    number(out, seconds % 60, 10, b'.');
}

/// Digit by digit: this takes a tenth of what `write!` does.
fn number(out: &mut Vec<u8>, value: u64, mut place: u64, end: u8) {
    while place > 0 {
        out.push(b'0' + u8::try_from(value / place % 10).unwrap_or_default());
        place /= 10;
    }
    out.push(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_moments_as_rfc_3339_does() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000007Z"),
            (951_782_400, "2000-02-29T00:00:00.000007Z"),
            (1_795_305_599, "2026-11-21T23:59:59.000007Z"),
        ] {
            let mut out = Vec::new();
            write_time(&mut out, Duration::new(seconds, 7_000));
            assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
            out.clear();
            write_time(&mut out, Duration::new(seconds, 654_321_000));
            assert_eq!(String::from_utf8(out).unwrap(), expected.replace(".000007", ".654321"), "in the same second");
        }
    }
}
