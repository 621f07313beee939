//! One HTTP/1.1 connection, polled by whoever uses it.
//!
//! It holds both halves of hyper's client: what takes requests and what moves bytes. Neither has a task of its own; a
//! [`Relay`] stands in for the task while there is none.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_util::rt::TokioIo;

use super::{relay::Relay, transport::Transport};
use crate::clock;

/// Head and read buffer of an answer in bytes: eight times what nginx and Node accept of headers by default.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// How long an idle connection is kept at the most. Node and nginx close theirs after 5 s and 75 s.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// How often both halves are polled in turn before other tasks get theirs.
const MAX_ROUNDS: usize = 8;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

pub(super) struct Link {
    requests: http1::SendRequest<Full<Bytes>>,
    connection: http1::Connection<TokioIo<Transport>, Full<Bytes>>,
    state: State,
    relay: Arc<Relay>,
    /// The relay as the waker it is.
    waker: Waker,
    idle_since: Instant,
    max_idle: Duration,
    /// Of its pool, when it was opened.
    pub(super) generation: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
}

impl Link {
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub(super) async fn over(transport: Transport, generation: u64) -> hyper::Result<Self> {
        let (requests, connection) =
            http1::Builder::new().max_buf_size(MAX_BUFFER_BYTES).handshake(TokioIo::new(transport)).await?;
        let relay = Arc::new(Relay::default());
        let waker = Waker::from(relay.clone());
        let idle_since = clock::now();
        Ok(Self { requests, connection, state: State::Open, relay, waker, idle_since, max_idle: MAX_IDLE, generation })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// With the request in it when none of it was written.
    ///
    /// # Cancel safety
    /// None: after a drop the connection is of no more use.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let mut answer = pin!(self.requests.try_send_request(request));
        let answer = std::future::poll_fn(|cx| self.poll_with(cx, |cx| answer.as_mut().poll(cx))).await?;
        self.heed_keep_alive(answer.headers());
        Ok(answer)
    }

    /// Polls `step` and moves bytes until one of them makes no more progress.
    pub(super) fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let waker = self.waker.clone();
        for _ in 0..MAX_ROUNDS {
            if let Poll::Ready(value) = step(&mut Context::from_waker(&waker)) {
                return Poll::Ready(value);
            }
            self.move_bytes();
            if let Poll::Ready(value) = step(&mut Context::from_waker(&waker)) {
                return Poll::Ready(value);
            }
            if self.relay.wait_for(cx.waker()) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the connection can take a request now, after an answer was read to its end.
    pub(super) fn settle(&mut self) -> bool {
        self.move_bytes();
        self.state == State::Open && self.requests.is_ready()
    }

    /// Notes the beginning of idleness.
    pub(super) fn rest(&mut self, now: Instant) {
        self.idle_since = now;
    }

    /// Whether an idle connection is too old to be trusted.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.idle_since) >= self.max_idle
    }

    /// Whether an idle connection can be used again. Only one that something happened to is polled.
    pub(super) fn is_usable(&mut self) -> bool {
        !self.relay.is_woken() || self.settle()
    }

    fn move_bytes(&mut self) {
        self.relay.listen();
        if self.state == State::Open {
            let moved = Pin::new(&mut self.connection).poll(&mut Context::from_waker(&self.waker));
            if moved.is_ready() {
                // An error reached whoever waits for the answer; there is nobody else to tell.
                self.state = State::Ended;
            }
        }
    }

    /// A peer that announces when it closes idle connections is believed, with a margin: a request must not cross its close.
    fn heed_keep_alive(&mut self, headers: &HeaderMap) {
        let announced = headers.get(KEEP_ALIVE).and_then(|value| value.to_str().ok());
        let seconds = announced.and_then(|text| {
            text.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.parse::<u64>().ok())
        });
        if let Some(seconds) = seconds {
            let announced = Duration::from_secs(seconds);
            let margin = (announced / 2).min(Duration::from_secs(1));
            self.max_idle = announced.saturating_sub(margin).min(MAX_IDLE);
        }
    }
}
