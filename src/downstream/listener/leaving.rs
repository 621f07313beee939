//! The last answers of an HTTP/1.1 connection, which say that they are: a drain takes no request away from whoever has just sent it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Response, header::CONNECTION};

/// How long a connection that is kept open takes requests after the drain's start. A balancer may have just used it, or use it until it
/// has noticed that we are not ready; where it finds the connection closed it cannot know whether the request was done, and fails it. Two
/// looks at `/readyz` of those that look every second. Never more than half of the drain, so that what came last can finish.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// Whether an HTTP/1.1 connection is about to be closed, which its answers say (RFC 9112 §9.6): the client then sends nothing more on it.
#[derive(Clone, Default)]
pub(super) struct Leaving(Arc<AtomicBool>);

impl Leaving {
    pub(super) fn start(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn tell<B>(&self, mut response: Response<B>) -> Response<B> {
        if self.0.load(Ordering::Relaxed) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
