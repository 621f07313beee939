//! The one HTTP/2 connection of an upstream, shared by its calls.
//!
//! Its frames concern all calls, so it has a task; that ends with the connection, which ends with the last sender and stream.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use super::{
    dial::timed_out,
    fault::{HttpFault, Phase},
    transport::Transport,
};

pub(super) type Requests = http2::SendRequest<Full<Bytes>>;

/// Flow-control windows in bytes (RFC 9113, section 6.9): a usual result passes without waiting for an update.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// The decoded head of an answer in bytes, as for HTTP/1.1.
const MAX_HEAD_BYTES: u32 = 64 * 1024;

/// A connection with calls in flight is pinged this often, and is dead when a ping stays unanswered this long.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Multiplexed {
    current: Mutex<Option<Requests>>,
    /// One dials, the others wait for what comes of it.
    dialing: Semaphore,
    /// The upstream chose HTTP/1.1: then each dials for itself.
    is_refused: AtomicBool,
}

impl Multiplexed {
    pub(super) fn new() -> Self {
        Self { current: Mutex::new(None), dialing: Semaphore::new(1), is_refused: AtomicBool::new(false) }
    }

    /// The open connection.
    pub(super) fn requests(&self) -> Option<Requests> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(Requests::is_closed) {
            *current = None;
        }
        current.clone()
    }

    /// Calls in flight end on it; others get another one.
    pub(super) fn forget(&self) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(current);
    }

    /// The right to dial alone; nothing when there is no reason to be alone.
    pub(super) async fn dialing(&self, deadline: Instant) -> Result<Option<SemaphorePermit<'_>>, HttpFault> {
        if self.is_refused.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let waited = timeout_at(deadline, self.dialing.acquire()).await;
        waited.map(Result::ok).map_err(|_| timed_out(Phase::Connect))
    }

    /// Remembers that the upstream speaks HTTP/1.1.
    pub(super) fn refuse(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    /// Makes `transport` the shared connection.
    pub(super) async fn adopt(&self, transport: Transport) -> hyper::Result<Requests> {
        let (requests, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(MAX_HEAD_BYTES)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(transport))
            .await?;
        tokio::spawn(async move {
            // Its error reaches each call in flight.
            let _ended = connection.await;
        });
        self.is_refused.store(false, Ordering::Relaxed);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(requests.clone());
        Ok(requests)
    }
}
