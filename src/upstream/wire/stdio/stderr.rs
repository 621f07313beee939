//! What the children of one server write to stderr: free text for people. The last lines are kept, for the log and for the operator;
//! nothing is concluded from them.
//!
//! A child that writes without end is slowed down rather than read as fast as it writes: it would take the time of the others.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use memchr::memchr;
use tokio::{io::AsyncReadExt, net::unix::pipe, sync::watch, time::sleep};

use crate::{clock, telemetry::metrics::ServerMetrics};

/// A longer line is cut: enough for a stack trace in one line.
const LINE_BYTES: usize = 4 << 10;
/// Lines kept of one server.
const MOST_LINES: usize = 1000;
/// Bytes kept of one server.
const MOST_BYTES: usize = 256 << 10;
/// What is read at a time, and the pause after it: 4 MiB a second, more than anybody reads.
const READ_BYTES: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(16);

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StderrLine {
    /// Its number: lines of one server are counted from 0 as long as it is configured.
    pub number: u64,
    /// When it was read, since 1970.
    pub at: Duration,
    /// Who wrote it: the id of the child, as [`Child::pid`](super::Child::pid) tells it.
    pub pid: i32,
    /// What it says, without control characters.
    pub text: Arc<str>,
}

/// The last lines that the children of one server wrote to stderr.
#[derive(Debug)]
pub struct Stderr {
    kept: Mutex<Kept>,
    /// The number that the next line gets.
    next: watch::Sender<u64>,
    /// Where they are counted.
    metrics: Option<ServerMetrics>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<StderrLine>,
    bytes: usize,
}

impl Default for Stderr {
    fn default() -> Self {
        Self { kept: Mutex::default(), next: watch::Sender::new(0), metrics: None }
    }
}

impl Stderr {
    /// No lines yet; they are counted as those of this server.
    pub fn of_server(metrics: ServerMetrics) -> Self {
        Self { metrics: Some(metrics), ..Self::default() }
    }

    /// The last `most` lines, the oldest first.
    pub fn tail(&self, most: usize) -> Vec<StderrLine> {
        let kept = self.lock();
        kept.lines.iter().skip(kept.lines.len().saturating_sub(most)).cloned().collect()
    }

    /// What is kept of the lines from this number on.
    pub fn since(&self, number: u64) -> Vec<StderrLine> {
        self.lock().lines.iter().filter(|line| line.number >= number).cloned().collect()
    }

    /// Follows the lines, beginning with the last `most` that there are.
    pub fn follow(self: &Arc<Self>, most: usize) -> Following {
        let changed = self.next.subscribe();
        let next = self.tail(most).first().map_or_else(|| *changed.borrow(), |line| line.number);
        Following { stderr: self.clone(), changed, next }
    }

    /// What one child wrote last.
    pub(super) fn of(&self, pid: i32, most: usize) -> Vec<StderrLine> {
        let kept = self.lock();
        let own = kept.lines.iter().rev().filter(|line| line.pid == pid).take(most);
        own.cloned().collect::<Vec<_>>().into_iter().rev().collect()
    }

    pub(crate) fn push(&self, pid: i32, text: String) {
        if let Some(metrics) = &self.metrics {
            metrics.stderr_lines().inc();
        }
        self.next.send_modify(|next| {
            let mut kept = self.lock();
            kept.bytes += text.len();
            kept.lines.push_back(StderrLine { number: *next, at: clock::unix_time(), pid, text: text.into() });
            while kept.lines.len() > MOST_LINES || kept.bytes > MOST_BYTES {
                let Some(oldest) = kept.lines.pop_front() else { break };
                kept.bytes -= oldest.text.len();
            }
            *next += 1;
        });
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who reads along.
#[derive(Debug)]
pub struct Following {
    stderr: Arc<Stderr>,
    changed: watch::Receiver<u64>,
    next: u64,
}

impl Following {
    /// The lines that came since, when there are any. Who reads too slowly misses the oldest, as their numbers show.
    ///
    /// # Cancel safety
    /// No line is lost.
    pub async fn lines(&mut self) -> Vec<StderrLine> {
        loop {
            let lines = self.stderr.since(self.next);
            if let Some(last) = lines.last() {
                self.next = last.number + 1;
                return lines;
            }
            // It is held, so its sender is there.
            let _ = self.changed.changed().await;
        }
    }
}

/// Reads a child's `stderr` to its end.
pub(super) async fn keep(mut stderr: pipe::Receiver, kept: Arc<Stderr>, pid: i32, server: Arc<str>) {
    let mut buffer = Vec::with_capacity(READ_BYTES);
    let mut line = Vec::new();
    let keep = |line: &mut Vec<u8>| {
        let text = printable(line);
        line.clear();
        if !text.is_empty() {
            tracing::debug!(target: "myelin::stderr", %server, line = text, "stderr");
            kept.push(pid, text);
        }
    };
    while let Ok(read @ 1..) = stderr.read_buf(&mut buffer).await {
        let mut rest = buffer.as_slice();
        while let Some((first, others)) = memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end)) {
            append_cut(&mut line, first);
            keep(&mut line);
            rest = others.get(1..).unwrap_or_default();
        }
        append_cut(&mut line, rest);
        buffer.clear();
        if read == READ_BYTES {
            sleep(PAUSE).await;
        }
    }
    keep(&mut line);
}

fn append_cut(line: &mut Vec<u8>, bytes: &[u8]) {
    line.extend(bytes.iter().take(LINE_BYTES.saturating_sub(line.len())));
}

/// The text without control characters: what a child prints must not move the cursor of whoever reads the log.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.trim_end().chars().filter(|c| !c.is_control() || *c == '\t').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    async fn kept(text: &[u8]) -> Arc<Stderr> {
        let (mut sender, receiver) = pipe::pipe().unwrap();
        let stderr = Arc::new(Stderr::default());
        let reader = tokio::spawn(keep(receiver, stderr.clone(), 7, "server".into()));
        sender.write_all(text).await.unwrap();
        drop(sender);
        reader.await.unwrap();
        stderr
    }

    fn texts(lines: &[StderrLine]) -> Vec<&str> {
        lines.iter().map(|line| &*line.text).collect()
    }

    #[tokio::test]
    async fn the_last_lines_are_told_and_an_unfinished_one_counts() {
        let stderr = kept(b"one\n\ntwo\r\nthree").await;
        assert_eq!(texts(&stderr.tail(2)), ["two", "three"]);
        assert_eq!(
            stderr.tail(9).iter().map(|line| (line.number, line.pid)).collect::<Vec<_>>(),
            [(0, 7), (1, 7), (2, 7)]
        );
        assert_eq!(stderr.of(8, 9), []);
    }

    #[tokio::test]
    async fn long_lines_are_cut() {
        let text = [&vec![b'x'; 3 * LINE_BYTES], b"\nnext\n".as_slice()].concat();
        assert_eq!(texts(&kept(&text).await.tail(9)), [&*"x".repeat(LINE_BYTES), "next"]);
    }

    #[tokio::test]
    async fn control_characters_and_broken_text_are_harmless() {
        assert_eq!(texts(&kept(b"\x1b[31mred\x07\xff\n").await.tail(9)), ["[31mred\u{fffd}"]);
    }

    #[tokio::test]
    async fn lines_and_bytes_are_bounded() {
        let many = kept("short\n".repeat(MOST_LINES + 5).as_bytes()).await;
        assert_eq!((many.tail(usize::MAX).len(), many.tail(1)[0].number), (MOST_LINES, 1004));
        let large = kept(format!("{}\n", "x".repeat(LINE_BYTES)).repeat(100).as_bytes()).await;
        assert_eq!(large.tail(usize::MAX).len(), MOST_BYTES / LINE_BYTES);
    }

    #[tokio::test]
    async fn who_follows_hears_the_last_lines_and_then_each_once() {
        let stderr = kept(b"one\ntwo\n").await;
        let mut following = stderr.follow(1);
        assert_eq!(texts(&following.lines().await), ["two"]);
        stderr.push(7, "three".to_owned());
        stderr.push(7, "four".to_owned());
        assert_eq!(texts(&following.lines().await), ["three", "four"]);
    }
}
