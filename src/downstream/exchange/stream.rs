//! A stream of a legacy session: what was said on it, for the client that reads it and for the one that comes back.
//!
//! Events are kept within limits and named `stream/number`, so that a client whose connection broke takes up exactly what it missed
//! (2025-11-25 basic/transports, Resumability). One reader at a time: a new one replaces the old.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::watch, time::sleep};

use crate::{sse, telemetry::METRICS};

use super::body::Events;

/// What a client is told to wait before it takes a stream up again.
const RETRY_MS: u64 = 500;

/// Whether the events of a stream have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// They have, and the stream opens with one that has no data: clients from 2025-11-25 on understand that.
    Primed,
    /// They have.
    Named,
    /// They have not: the stream cannot be resumed (2024-11-05).
    Unnamed,
}

/// How much of a stream is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

/// One stream.
pub(super) struct Stream {
    pub(super) number: u64,
    naming: Naming,
    keep: Keep,
    state: Mutex<State>,
    read: watch::Sender<bool>,
}

struct State {
    events: VecDeque<(u64, Bytes)>,
    bytes: usize,
    next: u64,
    /// The first event that no reader has taken.
    unread: u64,
    reader: u64,
    is_finished: bool,
    waker: Option<Waker>,
    writer: Option<Waker>,
}

impl State {
    /// How many events no reader has taken, and how large they are.
    fn unread(&self) -> (usize, usize) {
        let unread = self.events.iter().rev().take_while(|(number, _)| *number >= self.unread);
        unread.fold((0, 0), |(count, bytes), (_, event)| (count + 1, bytes + event.len()))
    }
}

impl Stream {
    pub(super) fn new(number: u64, naming: Naming, keep: Keep) -> Arc<Self> {
        let state = State {
            events: VecDeque::new(),
            bytes: 0,
            next: 1,
            unread: 1,
            reader: 0,
            is_finished: false,
            waker: None,
            writer: None,
        };
        let stream = Arc::new(Self { number, naming, keep, state: Mutex::new(state), read: watch::Sender::new(false) });
        if naming == Naming::Primed {
            stream.add(|name| sse::encode_priming(name, RETRY_MS));
        }
        stream
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says a message; the oldest events go when there are too many.
    pub(super) fn push(&self, message: Bytes) {
        let is_named = self.naming != Naming::Unnamed;
        self.add(|name| sse::encode(message, is_named.then_some(name)));
    }

    /// Says an event that is no message.
    pub(super) fn push_raw(&self, event: Bytes) {
        self.add(|_| event);
    }

    fn add(&self, make: impl FnOnce(&str) -> Bytes) {
        let mut state = self.lock();
        let number = state.next;
        let event = make(&format!("{}/{number}", self.number));
        state.next += 1;
        state.bytes += event.len();
        state.events.push_back((number, event));
        while state.events.len() > self.keep.events || (state.bytes > self.keep.bytes && state.events.len() > 1) {
            let Some((number, gone)) = state.events.pop_front() else { break };
            state.bytes -= gone.len();
            if number >= state.unread {
                METRICS.dropped_events.inc();
            }
        }
        wake(state.waker.take());
    }

    /// Waits until the reader, if there is one, has taken nearly all: a slow client slows its server down.
    pub(super) async fn room(&self) {
        poll_fn(|context| {
            let mut state = self.lock();
            let (events, bytes) = state.unread();
            if *self.read.borrow() && (events > self.keep.events / 2 || bytes > self.keep.bytes / 2) {
                state.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Nothing more will be said.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.is_finished = true;
        wake(state.waker.take());
    }

    /// Whether everything was said.
    pub(super) fn is_finished(&self) -> bool {
        self.lock().is_finished
    }

    /// Closes the reader's connection, not the stream: the client comes back for the rest.
    pub(super) fn interrupt(&self) {
        let mut state = self.lock();
        state.reader += 1;
        wake(state.waker.take());
    }

    /// Reads on from what nobody has read.
    pub(super) fn reader(self: &Arc<Self>) -> Reader {
        let from = self.lock().unread;
        self.reader_from(from)
    }

    /// Reads what comes after the event with that number.
    pub(super) fn reader_after(self: &Arc<Self>, number: u64) -> Reader {
        self.reader_from(number + 1)
    }

    fn reader_from(self: &Arc<Self>, from: u64) -> Reader {
        let mut state = self.lock();
        state.reader += 1;
        wake(state.waker.take());
        let turn = state.reader;
        drop(state);
        self.read.send_replace(true);
        Reader { stream: self.clone(), turn, next: from }
    }

    /// Ready when nobody has read the stream for so long.
    pub(super) async fn abandoned(&self, grace: Duration) {
        let mut read = self.read.subscribe();
        loop {
            // The sender lives as long as the stream.
            if read.wait_for(|read| !read).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(grace) => return,
                _ = read.wait_for(|read| *read) => (),
            }
        }
    }

    /// Whether somebody reads it.
    pub(super) fn is_read(&self) -> bool {
        *self.read.borrow()
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The one who reads a stream.
pub(super) struct Reader {
    stream: Arc<Stream>,
    turn: u64,
    next: u64,
}

impl Events for Reader {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.stream.lock();
        // Everything that waits is sent before the connection is closed on purpose.
        let waiting = state.events.iter().find(|(number, _)| *number >= self.next).cloned();
        if let Some((number, event)) = waiting {
            self.next = number + 1;
            state.unread = state.unread.max(self.next);
            wake(state.writer.take());
            return Poll::Ready(Some(event));
        }
        if state.is_finished || state.reader != self.turn {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.stream.lock();
        let is_current = state.reader == self.turn || self.turn + 1 == state.reader;
        wake(state.writer.take());
        drop(state);
        if is_current {
            self.stream.read.send_replace(false);
        }
    }
}

/// An event's name: the stream and the number.
pub(super) fn parse_name(name: &str) -> Option<(u64, u64)> {
    let (stream, number) = name.split_once('/')?;
    Some((stream.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Keep = Keep { events: 4, bytes: 1000 };

    async fn all(mut reader: Reader) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(event) = poll_fn(|context| reader.poll_event(context)).await {
            out.push(String::from_utf8(event.to_vec()).unwrap());
        }
        out
    }

    #[tokio::test]
    async fn a_client_that_comes_back_gets_exactly_what_it_missed() {
        let stream = Stream::new(3, Naming::Named, KEEP);
        for message in ["1", "2", "3"] {
            stream.push(Bytes::from_static(message.as_bytes()));
        }
        stream.finish();
        assert_eq!(
            all(stream.reader_after(1)).await,
            ["id: 3/2\nevent: message\ndata: 2\n\n", "id: 3/3\nevent: message\ndata: 3\n\n"]
        );
    }

    #[tokio::test]
    async fn keeps_the_newest_events_within_the_limit() {
        let stream = Stream::new(1, Naming::Unnamed, KEEP);
        for message in ["1", "2", "3", "4", "5", "6"] {
            stream.push(Bytes::from_static(message.as_bytes()));
        }
        stream.finish();
        assert_eq!(all(stream.reader()).await.len(), 4);
    }

    #[tokio::test]
    async fn a_writer_waits_for_a_reader_that_lags_in_events_or_in_bytes_and_for_nobody_else() {
        let is_free = |stream: &Arc<Stream>| {
            let stream = stream.clone();
            async move { tokio::time::timeout(Duration::ZERO, stream.room()).await.is_ok() }
        };
        let (small, large) = (Bytes::from_static(b"1"), Bytes::from(vec![b'x'; 600]));
        for (message, taken) in [(small, 3), (large, 1)] {
            let stream = Stream::new(1, Naming::Unnamed, KEEP);
            for _ in 0..taken {
                stream.push(message.clone());
            }
            assert!(is_free(&stream).await, "nobody reads: what does not fit goes");
            let mut reader = stream.reader();
            assert!(!is_free(&stream).await);
            for _ in 0..taken {
                poll_fn(|context| reader.poll_event(context)).await.unwrap();
            }
            assert!(is_free(&stream).await);
        }
    }

    #[tokio::test]
    async fn an_interrupted_reader_gets_what_was_said_and_the_next_one_the_rest() {
        let stream = Stream::new(1, Naming::Primed, KEEP);
        let first = stream.reader();
        stream.interrupt();
        assert_eq!(all(first).await, ["id: 1/1\nretry: 500\ndata: \n\n"]);
        stream.push(Bytes::from_static(b"later"));
        stream.finish();
        assert_eq!(all(stream.reader_after(1)).await.len(), 1);
    }
}
