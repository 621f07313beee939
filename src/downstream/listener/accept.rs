//! The loop that accepts connections, and the one that ends them.

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, JoinSet},
};

use super::{
    bound::Bound,
    connection::{Connector, Peer},
};
use crate::downstream::{drain::Drain, settings::HttpSettings};

/// How long to wait after an error that concerns the process, such as too many open files: the connection stays in the backlog, and
/// asking again at once would spin. Long enough to cost nothing, short enough to go unnoticed; nginx and Go take up to 0.5 s and 1 s.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections taken from the backlog when the drain starts, at the most: a client that connects without end cannot keep us from it.
const BACKLOG_AT_DRAIN: usize = 4096;

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Connections that were still busy when the drain's time was over.
    pub cut_off: usize,
}

/// Serves connections until the drain, then lets those that are busy finish until the drain's deadline.
///
/// # Cancel safety
/// Dropping it closes the socket and cuts every connection off.
pub async fn serve<S, F, B>(bound: Bound, http: Arc<HttpSettings>, service: S, mut drain: Drain) -> Served
where
    S: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let Bound { listener, tls, .. } = bound;
    let connector = Arc::new(Connector::new(&http, tls, service));
    let slots = Arc::new(Semaphore::new(http.max_connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(ended) = connections.join_next() => report(ended),
            (stream, address, slot) = accept(&listener, &slots) => {
                connections.spawn(connector.clone().run(stream, Peer::at(address), drain.clone(), slot));
            }
            () = drain.started() => break,
        }
    }
    for (stream, address, slot) in waiting(listener, &slots) {
        connections.spawn(connector.clone().run(stream, Peer::at(address), drain.clone(), Some(slot)));
    }
    finish(connections, drain).await
}

/// Closes the socket and returns who waits in its backlog: the kernel has told them that we are here, and closing resets them.
fn waiting(listener: TcpListener, slots: &Arc<Semaphore>) -> Vec<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // Tokio's `accept` asks the kernel only after an event, which may not have come yet.
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let next = || {
        let slot = slots.clone().try_acquire_owned().ok()?;
        let (stream, address) = listener.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, address, slot))
    };
    std::iter::from_fn(next).take(BACKLOG_AT_DRAIN).collect()
}

/// Waits for a free slot, then for a connection.
///
/// Cancel-safe: a connection that was taken is returned at once.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // It is never closed, so that there is always a permit in the end.
    let slot = slots.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address, slot),
            Err(error) if concerns_one_connection(&error) => (),
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The client gave up between the kernel's handshake and our `accept`.
fn concerns_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn finish(mut connections: JoinSet<()>, mut drain: Drain) -> Served {
    loop {
        tokio::select! {
            biased;
            ended = connections.join_next() => match ended {
                Some(ended) => report(ended),
                None => return Served { cut_off: 0 },
            },
            () = drain.expired() => {
                let cut_off = connections.len();
                connections.shutdown().await;
                return Served { cut_off };
            }
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked");
    }
}
