//! A child's stderr: free text for people. Each line is logged (debug), the last ones are kept, nothing is concluded from them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use memchr::memchr;
use tokio::{io::AsyncReadExt, net::unix::pipe};

/// A longer line is cut: enough for a stack trace in one line, and `stderr_lines` of them are still little.
const LINE_BYTES: usize = 4 << 10;

/// The last lines of stderr.
#[derive(Debug)]
pub(super) struct Tail {
    lines: Mutex<VecDeque<String>>,
    most: usize,
}

impl Tail {
    pub(super) fn new(most: usize) -> Self {
        Self { lines: Mutex::new(VecDeque::new()), most }
    }

    /// The kept lines, the oldest first.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line);
        let surplus = lines.len().saturating_sub(self.most);
        lines.drain(..surplus);
    }
}

/// Reads `stderr` to its end.
pub(super) async fn keep(mut stderr: pipe::Receiver, tail: Arc<Tail>, server: Arc<str>) {
    let mut buffer = Vec::with_capacity(LINE_BYTES);
    let mut line = Vec::new();
    let keep = |line: &mut Vec<u8>| {
        let text = printable(line);
        line.clear();
        if !text.is_empty() {
            tracing::debug!(target: "myelin::stderr", %server, line = text, "stderr");
            tail.push(text);
        }
    };
    while let Ok(1..) = stderr.read_buf(&mut buffer).await {
        let mut rest = buffer.as_slice();
        while let Some((first, others)) = memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end)) {
            append_cut(&mut line, first);
            keep(&mut line);
            rest = others.get(1..).unwrap_or_default();
        }
        append_cut(&mut line, rest);
        buffer.clear();
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

    async fn kept(text: &[u8], most: usize) -> Vec<String> {
        let (mut sender, receiver) = pipe::pipe().unwrap();
        let tail = Arc::new(Tail::new(most));
        let reader = tokio::spawn(keep(receiver, tail.clone(), "server".into()));
        sender.write_all(text).await.unwrap();
        drop(sender);
        reader.await.unwrap();
        tail.lines()
    }

    #[tokio::test]
    async fn the_last_lines_are_kept_and_an_unfinished_one_counts() {
        assert_eq!(kept(b"one\n\ntwo\r\nthree", 2).await, ["two", "three"]);
        assert!(kept(b"one\n", 0).await.is_empty());
    }

    #[tokio::test]
    async fn long_lines_are_cut() {
        let text = [&vec![b'x'; 3 * LINE_BYTES], b"\nnext\n".as_slice()].concat();
        assert_eq!(kept(&text, 9).await, ["x".repeat(LINE_BYTES), "next".to_owned()]);
    }

    #[tokio::test]
    async fn control_characters_and_broken_text_are_harmless() {
        assert_eq!(kept(b"\x1b[31mred\x07\xff\n", 9).await, ["[31mred\u{fffd}"]);
    }
}
