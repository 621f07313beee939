//! How long an HTTP/1.1 connection is waited for between two requests, and how long for the rest of a request whose first bytes are there.
//!
//! hyper has one limit for both, which starts with the end of the last answer. A proxy keeps connections that it may use again for a minute
//! or longer: if the gateway closed them after the time that headers may take, a request would now and then be sent into a connection that
//! is just being closed, and be lost (RFC 9112 §9.3.1 lets nobody send it again unless it is idempotent). Deliberately knows no HTTP: it sees
//! that bytes arrive, and when hyper begins to wait for a request.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time,
};

/// What the two sides of one connection know together.
#[derive(Debug, Default)]
struct Known {
    /// Bytes arrived since it was last waited for a request.
    heard: AtomicBool,
    /// It was waited for a request before.
    waited: AtomicBool,
    /// Rings for the wait that is on. It is left as it is when a request comes, and rings in vain at the most once in its time: to set
    /// it anew for each request would be a fiftieth of a call's cost.
    alarm: Mutex<Option<Pin<Box<time::Sleep>>>>,
}

impl Known {
    /// Ready when the moment has come, and not before.
    fn poll_until(&self, deadline: time::Instant, context: &mut Context<'_>) -> Poll<()> {
        let mut alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        let alarm = alarm.get_or_insert_with(|| Box::pin(time::sleep_until(deadline)));
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        while alarm.as_mut().poll(context).is_ready() {
            if alarm.deadline() == deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// The timer of one connection. Of hyper's deadlines, each is one for headers.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    known: Arc<Known>,
    header_timeout: Duration,
    idle_timeout: Duration,
}

impl Patience {
    pub(super) fn new(header_timeout: Duration, idle_timeout: Duration) -> Self {
        Self { known: Arc::default(), header_timeout, idle_timeout }
    }

    /// The stream that is listened to for bytes.
    pub(super) fn over<I>(&self, stream: I) -> Overheard<I> {
        Overheard { stream, known: self.known.clone() }
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.known.heard.store(false, Ordering::Relaxed);
        // Whoever connects has something to say; only then may they be silent for a while.
        let between = self.known.waited.swap(true, Ordering::Relaxed);
        // Hyper's deadline is the time for headers from now on.
        let idle = (deadline + self.idle_timeout).checked_sub(self.header_timeout);
        let deadline = idle.filter(|_| between).unwrap_or(deadline).into();
        Box::pin(Wait { deadline, silent: between, known: self.known.clone(), header_timeout: self.header_timeout })
    }

    fn now(&self) -> Instant {
        time::Instant::now().into()
    }
}

/// Ends when a request was waited for too long.
struct Wait {
    deadline: time::Instant,
    /// Nothing of the request came so far.
    silent: bool,
    known: Arc<Known>,
    header_timeout: Duration,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.silent && self.known.heard.load(Ordering::Relaxed) {
            self.silent = false;
            self.deadline = time::Instant::now() + self.header_timeout;
        }
        self.known.poll_until(self.deadline, context)
    }
}

impl Sleep for Wait {}

/// A stream that tells when bytes arrive.
#[derive(Debug)]
pub(super) struct Overheard<I> {
    stream: I,
    known: Arc<Known>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Overheard<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.known.heard.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Overheard<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
