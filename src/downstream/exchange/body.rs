//! Bodies of responses: a message, or events as they come.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::{clock, sse::KEEP_ALIVE, telemetry::metrics::InUse};

/// Something that produces events of a stream.
pub(super) trait Events: Send {
    /// The next event's bytes, or the end.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>>;
}

/// A response's body.
pub struct Body(Kind);

enum Kind {
    Full(Option<Bytes>),
    Events { source: Box<dyn Events>, quiet: Pin<Box<Sleep>>, keep_alive: Duration, is_over: bool },
}

impl Body {
    pub(super) const fn empty() -> Self {
        Self(Kind::Full(None))
    }

    pub(super) const fn full(bytes: Bytes) -> Self {
        Self(Kind::Full(Some(bytes)))
    }

    /// Events, with a comment after each silence of `keep_alive`.
    pub(super) fn events(source: impl Events + 'static, keep_alive: Duration) -> Self {
        let quiet = Box::pin(sleep(keep_alive));
        Self(Kind::Events { source: Box::new(source), quiet, keep_alive, is_over: false })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Events { is_over: true, .. } => Poll::Ready(None),
            Kind::Events { source, quiet, keep_alive, is_over } => {
                if let Poll::Ready(event) = source.poll_event(context) {
                    *is_over = event.is_none();
                    quiet.as_mut().reset(Instant::from_std(clock::now()) + *keep_alive);
                    return Poll::Ready(event.map(|event| Ok(Frame::data(event))));
                }
                if quiet.as_mut().poll(context).is_ready() {
                    quiet.as_mut().reset(Instant::from_std(clock::now()) + *keep_alive);
                    // Asks for a wake-up at the next silence.
                    let _ = quiet.as_mut().poll(context);
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(KEEP_ALIVE)))));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Full(None) | Kind::Events { is_over: true, .. })
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
            }
            Kind::Events { .. } => SizeHint::default(),
        }
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
}
