//! The way to a child's stdin: written at once when nothing waits, else a bounded queue that one task drains.
//!
//! Waking a child costs more than what is written to it. What is sent while the child is busy is therefore written together with what
//! others send in the same moment.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Buf, Bytes};
use smallvec::SmallVec;
use tokio::{
    io::{Interest, Ready},
    net::unix::pipe,
    sync::{Notify, watch},
    task::yield_now,
};

use super::launch::QueueLimits;

/// Lines in one write: with their line ends two slices each, far below `IOV_MAX` (1024), and more than a pipe mostly takes.
const LINES_A_WRITE: usize = 32;

/// When a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once, if nothing waits before it: the child has nothing else to do.
    AtOnce,
    /// With what others send before the tasks that are ready have had their turn.
    Together,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFault {
    /// Too much waits already: the child reads too slowly, or not at all.
    #[error("the child does not read its input")]
    Full,
    /// The child has closed its stdin, has ended, or is being stopped.
    #[error("the child is gone")]
    Gone,
}

/// Both ends of the queue; one for each child.
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    /// Wakes the writer: there is something to write, or an end.
    wake: Notify,
    limits: QueueLimits,
}

struct Queue {
    /// What waits. The first line may be written in part: its beginning is then cut off.
    lines: VecDeque<Outgoing>,
    bytes: usize,
    /// None once stdin is closed.
    pipe: Option<Arc<pipe::Sender>>,
    /// Nothing more is taken; stdin is closed when all is written.
    closing: bool,
    /// The marks of what waited in vain.
    unwritten: Vec<u64>,
    /// Whether stdin is closed, for those who wait for that.
    closed: watch::Sender<bool>,
}

/// A line that is not written to its end.
struct Outgoing {
    message: Bytes,
    line_end: &'static [u8],
    /// Taken away with the first byte that is written.
    mark: Option<u64>,
}

impl Outgoing {
    fn new(message: Bytes, mark: Option<u64>) -> Self {
        Self { message, line_end: b"\n", mark }
    }

    fn len(&self) -> usize {
        self.message.len() + self.line_end.len()
    }

    fn slices(&self) -> [IoSlice<'_>; 2] {
        [IoSlice::new(&self.message), IoSlice::new(self.line_end)]
    }

    /// Drops what was written of it, and tells how much of `written` is left for the next line.
    fn advance(&mut self, written: usize) -> usize {
        if written > 0 {
            self.mark = None;
        }
        let of_message = written.min(self.message.len());
        self.message.advance(of_message);
        let of_line_end = (written - of_message).min(self.line_end.len());
        self.line_end.advance(of_line_end);
        written - of_message - of_line_end
    }
}

impl Outbox {
    pub(super) fn new(pipe: pipe::Sender, limits: QueueLimits) -> Self {
        let queue = Queue {
            lines: VecDeque::new(),
            bytes: 0,
            pipe: Some(Arc::new(pipe)),
            closing: false,
            unwritten: Vec::new(),
            closed: watch::Sender::new(false),
        };
        Self { queue: Mutex::new(queue), wake: Notify::new(), limits }
    }

    /// Takes one message, or refuses it; never waits.
    pub(super) fn send(&self, message: Bytes, mark: Option<u64>, pace: Pace) -> Result<(), SendFault> {
        let mut queue = self.lock();
        if queue.closing || queue.pipe.is_none() {
            return Err(SendFault::Gone);
        }
        let line = Outgoing::new(message, mark);
        let waits = queue.lines.len();
        if waits > 0 && (waits >= self.limits.messages || queue.bytes.saturating_add(line.len()) > self.limits.bytes) {
            return Err(SendFault::Full);
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        // The writer sleeps: a single message is written without it.
        if waits == 0 && pace == Pace::AtOnce {
            queue.write().map_err(|_| SendFault::Gone)?;
        }
        if waits == 0 && !queue.lines.is_empty() {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Takes nothing more, and closes stdin as soon as all is written.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        queue.closing = true;
        queue.end_when_written();
        self.wake.notify_one();
    }

    /// Drops what waits, and closes stdin.
    pub(super) fn abort(&self) {
        self.lock().abandon();
        self.wake.notify_one();
    }

    /// Drops what waits, and closes stdin: the marks of the messages of which nothing was written.
    pub(super) fn give_up(&self) -> Vec<u64> {
        let mut queue = self.lock();
        queue.abandon();
        self.wake.notify_one();
        std::mem::take(&mut queue.unwritten)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().pipe.is_none()
    }

    /// Ready when stdin is closed.
    pub(super) async fn closed(&self) {
        let mut closed = self.lock().closed.subscribe();
        let _ = closed.wait_for(|is_closed| *is_closed).await;
    }

    /// Writes what waits, until stdin is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves what waits where it is.
    pub(super) async fn drain(&self) {
        loop {
            let (pipe, idle) = {
                let mut queue = self.lock();
                queue.end_when_written();
                (queue.pipe.clone(), queue.lines.is_empty())
            };
            let Some(pipe) = pipe else { return };
            if idle {
                // Whoever closes it says so, or the child does: then nothing more is to be had of it.
                tokio::select! {
                    // A task that was woken by another one may come before those that are ready and send something, too.
                    () = self.wake.notified() => yield_now().await,
                    seen = pipe.ready(Interest::ERROR) => {
                        if seen.is_ok_and(Ready::is_error) {
                            self.lock().abandon();
                        }
                    }
                }
                continue;
            }
            tokio::select! {
                // A fault shows again in the write, which deals with it.
                _ = pipe.writable() => { let _ = self.lock().write(); }
                () = self.wake.notified() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing under the lock panics half way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Writes as much as the pipe takes in one go. A fault ends the queue: nobody reads.
    fn write(&mut self) -> io::Result<()> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        let slices: SmallVec<[IoSlice<'_>; 8]> =
            self.lines.iter().take(LINES_A_WRITE).flat_map(Outgoing::slices).collect();
        let written = pipe.try_write_vectored(&slices);
        drop(slices);
        match written {
            Ok(written) => self.advance(written),
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
            Err(fault) => {
                self.abandon();
                return Err(fault);
            }
        }
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(line) = self.lines.front_mut() {
            written = line.advance(written);
            if line.len() > 0 {
                return;
            }
            self.lines.pop_front();
        }
    }

    fn end_when_written(&mut self) {
        if self.closing && self.lines.is_empty() {
            self.abandon();
        }
    }

    fn abandon(&mut self) {
        self.pipe = None;
        self.closed.send_replace(true);
        self.unwritten.extend(self.lines.drain(..).filter_map(|line| line.mark));
        self.lines = VecDeque::new();
        self.bytes = 0;
    }
}
