//! The connection to one other gateway: HTTP/2, on which all requests to it go.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

pub(super) type Requests = http2::SendRequest<Full<Bytes>>;

/// What one answer may have on its way before its client takes it, in bytes: what a slow client costs (RFC 9113 section 6.9).
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
/// The most that there is (RFC 9113 section 6.9.1): however many clients are slow, the others' answers pass.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// The decoded head of an answer in bytes.
const MAX_HEAD_BYTES: u32 = 64 << 10;
/// A connection with requests in flight is pinged this often, and its gateway is gone when a ping stays unanswered for so long: a network
/// that was cut says nothing, and clients wait.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to a home, and proves who both are.
///
/// # Errors
/// Whatever the network or the other side says; nothing was sent to it.
pub(super) async fn connect(home: &str, proof: &Arc<ClientConfig>, patience: Duration) -> io::Result<Requests> {
    let connected = timeout(patience, open(home, proof)).await;
    connected.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
}

async fn open(home: &str, proof: &Arc<ClientConfig>) -> io::Result<Requests> {
    let stream = TcpStream::connect(home).await?;
    stream.set_nodelay(true)?;
    let host = home.rsplit_once(':').map_or(home, |(host, _)| host).trim_matches(['[', ']']);
    // The key says who it is; the name is only there because TLS wants one.
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(proof.clone()).connect(name, stream).await?;
    let (requests, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(MAX_HEAD_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Its error reaches each request in flight; it ends with the last of those who can send on it.
    tokio::spawn(async move { drop(connection.await) });
    Ok(requests)
}
