//! The body of an answer: all of it at once, or event by event.
//!
//! Read to its end, it gives its connection back; dropped before, it closes it (HTTP/2: resets its stream), which is how an upstream
//! learns that nobody wants the answer any more.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;

use super::{
    fault::HttpFault,
    pool::{Lease, Slot},
    replicas::Flight,
};
use crate::sse::{Event, Parser};

/// How long, and for how many bytes, [`Body::retire`] waits for an end that should be there. A reconnect costs about 0.1 ms; an
/// upstream that takes longer than this to end its stream keeps a connection busy for no reason.
const RETIRE_WITHIN: Duration = Duration::from_secs(1);
const RETIRE_MAX_BYTES: usize = 64 * 1024;

/// The body of an answer.
pub struct Body {
    source: Source,
    events: Parser,
    max_event_bytes: usize,
    /// What it counts as at the replica it comes from.
    flight: Option<Flight>,
}

enum Source {
    /// HTTP/1.1: the connection is polled along with what it delivers.
    Own { frames: Incoming, lease: Lease },
    /// HTTP/2: one stream of many.
    Shared { frames: Incoming, _slot: Slot },
    /// Read to its end, or failed.
    Ended,
}

impl Body {
    pub(super) fn own(frames: Incoming, lease: Lease, max_event_bytes: usize) -> Self {
        Self::from(Source::Own { frames, lease }, max_event_bytes)
    }

    pub(super) fn shared(frames: Incoming, slot: Slot, max_event_bytes: usize) -> Self {
        Self::from(Source::Shared { frames, _slot: slot }, max_event_bytes)
    }

    /// From now on it counts at its replica.
    pub(super) fn count(&mut self, mut flight: Flight) {
        if matches!(self.source, Source::Ended) {
            flight.ended();
        }
        self.flight = Some(flight);
    }

    fn from(source: Source, max_event_bytes: usize) -> Self {
        let mut body = Self { source, events: Parser::new(max_event_bytes), max_event_bytes, flight: None };
        body.give_back_at_end();
        body
    }

    /// The whole body. One that arrived in one piece is handed out as it is, without a copy.
    ///
    /// # Errors
    /// [`HttpFault::TooLarge`] beyond `limit` bytes, as soon as that is known; [`HttpFault::Reset`]; [`HttpFault::Protocol`].
    ///
    /// # Cancel safety
    /// Dropping the future drops the body with what was read of it.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, HttpFault> {
        let announced = self.announced_bytes();
        if announced > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(HttpFault::TooLarge { limit });
        }
        let first = self.piece().await?.unwrap_or_default();
        if first.len() > limit {
            return Err(HttpFault::TooLarge { limit });
        }
        let Some(second) = self.piece().await? else {
            return Ok(first);
        };
        let mut whole =
            BytesMut::with_capacity(usize::try_from(announced).unwrap_or(limit).max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(piece) = next {
            if whole.len() + piece.len() > limit {
                return Err(HttpFault::TooLarge { limit });
            }
            whole.extend_from_slice(&piece);
            next = self.piece().await?;
        }
        Ok(whole.freeze())
    }

    /// The next event of a `text/event-stream`; nothing at the end. An event cut off by the end is dropped, as the standard says.
    ///
    /// # Errors
    /// [`HttpFault::TooLarge`] for an event beyond the client's `max_message_bytes`; [`HttpFault::Reset`]; [`HttpFault::Protocol`].
    /// The connection is closed after each of them, and the stream has ended.
    ///
    /// # Cancel safety
    /// Safe: what was read stays in the body, and no event is lost.
    pub async fn next_event(&mut self) -> Result<Option<Event>, HttpFault> {
        loop {
            match self.events.next_event() {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => (),
                Err(_) => {
                    self.source = Source::Ended;
                    return Err(HttpFault::TooLarge { limit: self.max_event_bytes });
                }
            }
            match self.piece().await? {
                Some(piece) => self.events.push(&piece),
                None => return Ok(None),
            }
        }
    }

    /// Puts aside a stream whose answer has been read: an end that is there already gives the connection back at once, one that
    /// is about to come is waited for in the background, a second at the most.
    pub fn retire(mut self) {
        if let Some(mut flight) = self.flight.take() {
            flight.ended();
        }
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(None | Some(Err(_))) = self.poll_piece(&mut cx) {
            return;
        }
        if !matches!(self.source, Source::Ended) {
            tokio::spawn(tokio::time::timeout(RETIRE_WITHIN, self.drain()));
        }
    }

    async fn drain(mut self) {
        let mut drained = 0;
        while let Ok(Some(piece)) = self.piece().await {
            drained += piece.len();
            if drained > RETIRE_MAX_BYTES {
                return;
            }
        }
    }

    /// The next bytes as they arrive; nothing at the end.
    ///
    /// # Errors
    /// [`HttpFault::Reset`]; [`HttpFault::Protocol`].
    ///
    /// # Cancel safety
    /// Safe: no byte is lost.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, HttpFault> {
        poll_fn(|cx| self.poll_piece(cx)).await.transpose()
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, HttpFault>>> {
        loop {
            let frame = match &mut self.source {
                Source::Own { frames, lease } => lease.link.poll_with(cx, |cx| Pin::new(&mut *frames).poll_frame(cx)),
                Source::Shared { frames, .. } => Pin::new(frames).poll_frame(cx),
                Source::Ended => return Poll::Ready(None),
            };
            match ready!(frame).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(piece))) => {
                    if let Some(flight) = &mut self.flight {
                        flight.heard();
                    }
                    self.give_back_at_end();
                    return Poll::Ready(Some(Ok(piece)));
                }
                // Trailers: nothing here uses them.
                Some(Ok(Err(_))) => (),
                Some(Err(error)) => {
                    self.source = Source::Ended;
                    if let Some(flight) = &mut self.flight {
                        flight.broke();
                    }
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => {
                    self.give_back();
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Bytes the head promised; zero when it did not.
    fn announced_bytes(&self) -> u64 {
        match &self.source {
            Source::Own { frames, .. } | Source::Shared { frames, .. } => frames.size_hint().lower(),
            Source::Ended => 0,
        }
    }

    /// A body whose length was announced ends with its last byte: no need to ask once more.
    fn give_back_at_end(&mut self) {
        if let Source::Own { frames, .. } = &self.source
            && frames.is_end_stream()
        {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Source::Own { lease, .. } = std::mem::replace(&mut self.source, Source::Ended) {
            lease.give_back();
        }
        if let Some(flight) = &mut self.flight {
            flight.ended();
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.source {
            Source::Own { .. } => "Body(own connection)",
            Source::Shared { .. } => "Body(shared connection)",
            Source::Ended => "Body(ended)",
        })
    }
}
