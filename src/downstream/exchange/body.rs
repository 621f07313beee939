//! Bodies of responses: a message, or events as they come.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::{clock, sse::KEEP_ALIVE, telemetry::metrics::InUse};

use super::{
    guest::Guest,
    relay::{Cut, Relay},
};

/// Something that produces events of a stream.
pub(super) trait Events: Send {
    /// The next event's bytes, or the end.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>>;

    /// What is said last when the stream ends because its reader's credential does.
    fn last_words(&mut self) -> Option<Bytes> {
        None
    }
}

/// Ready when a stream's reader may read no more.
pub(super) type Ends = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A response's body.
pub struct Body {
    kind: Kind,
    /// It is JSON, which no header says so far.
    is_unnamed_json: bool,
    guest: Option<Guest>,
}

enum Kind {
    Full(Option<Bytes>),
    Events(Stream),
    Relay(Box<Relay>),
}

impl From<Kind> for Body {
    fn from(kind: Kind) -> Self {
        Self { kind, is_unnamed_json: false, guest: None }
    }
}

struct Stream {
    source: Box<dyn Events>,
    quiet: Pin<Box<Sleep>>,
    keep_alive: Duration,
    ends: Option<Ends>,
    is_over: bool,
}

impl Body {
    pub(super) const fn empty() -> Self {
        Self { kind: Kind::Full(None), is_unnamed_json: false, guest: None }
    }

    pub(super) const fn full(bytes: Bytes) -> Self {
        Self { kind: Kind::Full(Some(bytes)), is_unnamed_json: false, guest: None }
    }

    /// A JSON message. The header that says so is added where the response has all others.
    pub(super) const fn json(bytes: Bytes) -> Self {
        Self { kind: Kind::Full(Some(bytes)), is_unnamed_json: true, guest: None }
    }

    /// Whether it is JSON, which is not said yet. From now on it is.
    pub(super) const fn name_json(&mut self) -> bool {
        std::mem::replace(&mut self.is_unnamed_json, false)
    }

    /// What another gateway answers.
    pub(super) fn relay(relay: Relay) -> Self {
        Kind::Relay(Box::new(relay)).into()
    }

    /// Holds a request of another gateway for as long as it is being answered.
    pub(super) fn hold(&mut self, guest: Guest) {
        self.guest = Some(guest);
    }

    /// Events, with a comment after each silence of `keep_alive`.
    pub(super) fn events(source: impl Events + 'static, keep_alive: Duration) -> Self {
        let quiet = Box::pin(sleep(keep_alive));
        Kind::Events(Stream { source: Box::new(source), quiet, keep_alive, ends: None, is_over: false }).into()
    }

    /// A stream ends when `ends` makes it; a message is whole already.
    pub(super) fn until(&mut self, ends: impl FnOnce() -> Ends) {
        if let Kind::Events(stream) = &mut self.kind {
            stream.ends = Some(ends());
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut self.get_mut().kind {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Events(stream) => stream.poll_next(context).map(|event| event.map(|event| Ok(Frame::data(event)))),
            Kind::Relay(relay) => relay.poll_next(context).map(|data| data.map(|data| data.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full(content) => content.is_none(),
            Kind::Events(stream) => stream.is_over,
            Kind::Relay(relay) => relay.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
            }
            Kind::Events(_) => SizeHint::default(),
            Kind::Relay(relay) => relay.size_hint(),
        }
    }
}

impl Stream {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        // First, so that a stream that always has something to say ends as well.
        if let Some(ends) = &mut self.ends
            && ends.as_mut().poll(context).is_ready()
        {
            self.is_over = true;
            return Poll::Ready(self.source.last_words());
        }
        let event = match self.source.poll_event(context) {
            Poll::Ready(event) => event,
            Poll::Pending if self.quiet.as_mut().poll(context).is_ready() => Some(Bytes::from_static(KEEP_ALIVE)),
            Poll::Pending => return Poll::Pending,
        };
        self.is_over = event.is_none();
        self.quiet.as_mut().reset(Instant::from_std(clock::now()) + self.keep_alive);
        Poll::Ready(event)
    }
}

/// Events that hold a place among the open streams.
pub(super) struct Counted<E>(E, #[expect(dead_code, reason = "held for as long as the events are")] Option<InUse>);

impl<E> Counted<E> {
    pub(super) const fn new(events: E, slot: Option<InUse>) -> Self {
        Self(events, slot)
    }
}

impl<E: Events> Events for Counted<E> {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.0.poll_event(context)
    }

    fn last_words(&mut self) -> Option<Bytes> {
        self.0.last_words()
    }
}
