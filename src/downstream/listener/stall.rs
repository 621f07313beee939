//! One stalled stream among others of an HTTP/2 connection that go on.
//!
//! The kernel sees a connection of which nothing is taken; a client that takes from some streams and opens no window for another is
//! seen here. A stream's task and the body of its answer share a [`Progress`]: hyper asks a body for more only when the client's window
//! has room for it, so a task that was woken and did not ask is one whose client takes nothing.
//!
//! A body is handed out in pieces, the last byte by itself: none is asked for before all that went before it has a window. So nothing but
//! that byte's room can be missing once a body is out of sight, and it was there when the byte was asked for.
//!
//! Source: RFC 9113, sections 5.2 and 6.9 (flow control), 5.4.2 (stream errors).

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// What is handed out at a time: four frames of the usual size (RFC 9113 section 4.2), and the usual window of a stream (6.9.2).
const PIECE_BYTES: usize = 64 << 10;

/// What was seen of the answer while its stream's task was polled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    /// There is no answer yet.
    #[default]
    Nothing,
    /// It was not asked for more.
    NotAsked,
    /// It gave something, and was not asked for more since.
    Gave,
    /// It has nothing to give at the moment.
    Waits,
}

/// Between a stream's task and its answer, which that task polls.
#[derive(Debug, Default)]
struct Progress(Mutex<Seen>);

impl Progress {
    fn see(&self, seen: Seen) {
        *self.lock() = seen;
    }

    /// What was seen since this was asked last.
    fn take(&self) -> Seen {
        let mut seen = self.lock();
        let next = if *seen == Seen::Nothing { Seen::Nothing } else { Seen::NotAsked };
        std::mem::replace(&mut *seen, next)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

tokio::task_local! {
    /// That of the stream whose task is polled.
    static PROGRESS: Arc<Progress>;
}

pin_project_lite::pin_project! {
    /// A stream's task, which ends when its client opens no window for so long: dropped, it resets the stream.
    pub(super) struct Watched<F> {
        #[pin]
        stream: F,
        progress: Arc<Progress>,
        patience: Duration,
        stalled: Option<Pin<Box<Sleep>>>,
    }
}

impl<F> Watched<F> {
    pub(super) fn new(stream: F, patience: Duration) -> Self {
        Self { stream, progress: Arc::default(), patience, stalled: None }
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let stream = this.stream;
        if PROGRESS.sync_scope(this.progress.clone(), || stream.poll(context)).is_ready() {
            return Poll::Ready(());
        }
        match this.progress.take() {
            Seen::Nothing | Seen::Waits => *this.stalled = None,
            // Something was taken since: the time begins anew.
            Seen::Gave => *this.stalled = Some(Box::pin(sleep(*this.patience))),
            Seen::NotAsked if this.stalled.is_none() => *this.stalled = Some(Box::pin(sleep(*this.patience))),
            Seen::NotAsked => (),
        }
        let patience = *this.patience;
        let Some(stalled) = this.stalled else { return Poll::Pending };
        ready!(stalled.as_mut().poll(context));
        tracing::debug!(?patience, "a stream is reset: its client takes nothing of it");
        Poll::Ready(())
    }
}

pin_project_lite::pin_project! {
    /// The body of an answer on a stream that is watched.
    pub(super) struct Paced<B> {
        #[pin]
        body: B,
        rest: Bytes,
        progress: Option<Arc<Progress>>,
    }
}

/// The answer on the stream whose task this is called in.
pub(super) fn paced<B>(answer: Response<B>) -> Response<Paced<B>> {
    let progress = PROGRESS.try_with(Arc::clone).ok();
    if let Some(progress) = &progress {
        // Its head was made: from now on the client is to take something.
        progress.see(Seen::Gave);
    }
    answer.map(|body| Paced { body, rest: Bytes::new(), progress })
}

impl<B> Paced<B>
where
    B: Body<Data = Bytes>,
{
    fn piece(self: Pin<&mut Self>) -> Bytes {
        let this = self.project();
        let is_last = this.rest.len() <= PIECE_BYTES && this.body.is_end_stream();
        let length = match this.rest.len() {
            whole @ 2.. if is_last => whole - 1,
            whole => whole.min(PIECE_BYTES),
        };
        this.rest.split_to(length)
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(progress) = &self.progress {
            progress.see(Seen::Waits);
        }
        let frame = if self.rest.is_empty() {
            match ready!(self.as_mut().project().body.poll_frame(context)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => {
                    *self.as_mut().project().rest = data;
                    Some(Ok(Frame::data(self.as_mut().piece())))
                }
                Some(Ok(Err(other))) => Some(Ok(other)),
                Some(Err(error)) => Some(Err(error)),
                None => None,
            }
        } else {
            Some(Ok(Frame::data(self.as_mut().piece())))
        };
        if let Some(progress) = &self.progress {
            progress.see(Seen::Gave);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
mod tests;
