//! One connection: TLS, which HTTP it speaks, its requests, its end.

use std::{error::Error, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    bound::Tls,
    finished::Finished,
    leaving::{LINGER, Leaving},
    patience::Patience,
    seldom::Seldom,
    stall::paced,
    streams::{Spawner, Streams},
};
use crate::{
    auth::Seat,
    downstream::{
        drain::Drain,
        proxies::{self, ProxyProtocol, ProxySettings},
        settings::HttpSettings,
        tls::TlsClient,
    },
    telemetry::{METRICS, metrics::InUse},
};

/// Read and write buffer of an HTTP/1.1 connection at the most; hyper's own is 408 kB. One read of a large body is then as large as what
/// the kernel's loopback hands out at a time, and ten thousand connections cannot hold 4 GB.
const MAX_BUFFER_BYTES: usize = 128 << 10;

/// Requests in flight on one HTTP/2 connection, at the most: more than RFC 9113 §6.5.2 asks for (100), and hyper's own default.
const MAX_STREAMS: u32 = 200;

/// The same on the connection of another gateway, on which all its clients' requests come: as many as it can have clients.
const MAX_HOPS: u32 = 1 << 20;
/// Requests of another gateway's clients that are given up before they are looked at, at the most: a thousand clients may go at once.
const MAX_GIVEN_UP: usize = 1 << 14;
/// What the certificates of a client may add to the headers of its request when another gateway sends it on.
const MAX_CHAIN_BYTES: u32 = 64 << 10;

/// An HTTP/2 connection on which nothing happens is asked for a sign of life this often.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Whoever connected just before a drain has sent a request, or is about to: the way of a packet between continents.
const LAST_WORD: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Their address: the client's, or that of a proxy in between.
    pub address: SocketAddr,
    /// The certificate that they showed, if any.
    pub client: Option<Arc<TlsClient>>,
    /// Who their last request was.
    pub seat: Arc<Seat>,
}

impl Peer {
    pub(super) fn at(address: SocketAddr) -> Self {
        Self { address, client: None, seat: Arc::default() }
    }
}

/// What all connections of a listener have in common.
pub(super) struct Connector<S> {
    http1: http1::Builder,
    max_header_bytes: u32,
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    proxies: ProxySettings,
    tls: Tls,
    service: S,
}

/// A connection whose protocol is known.
enum Opened {
    Plain(Version, TcpStream),
    Tls(Version, Box<TlsStream<TcpStream>>),
}

#[derive(Clone, Copy)]
enum Version {
    Http1,
    Http2,
}

impl<S> Connector<S> {
    pub(super) fn new(http: &HttpSettings, tls: Tls, service: S) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .header_read_timeout(http.header_timeout)
            .max_header_size(http.max_header_bytes)
            .max_buf_size(http.max_header_bytes.max(MAX_BUFFER_BYTES));
        let max_header_bytes = u32::try_from(http.max_header_bytes).unwrap_or(u32::MAX);
        let HttpSettings { header_timeout, idle_timeout, write_timeout, .. } = *http;
        let proxies = http.proxies.clone();
        Self { http1, max_header_bytes, header_timeout, idle_timeout, write_timeout, proxies, tls, service }
    }

    fn http2(&self, spawner: Spawner) -> http2::Builder<Spawner> {
        let mut http2 = http2::Builder::new(spawner);
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(self.max_header_bytes)
            .max_concurrent_streams(MAX_STREAMS)
            .keep_alive_interval(PING_INTERVAL);
        if let Tls::Gateways(_) = self.tls {
            http2
                .max_header_list_size(self.max_header_bytes.saturating_add(MAX_CHAIN_BYTES))
                .max_concurrent_streams(MAX_HOPS)
                .max_pending_accept_reset_streams(MAX_GIVEN_UP);
        }
        http2
    }

    /// What a connection begins with.
    async fn start(&self, mut stream: TcpStream, peer: Peer) -> io::Result<(Opened, Peer)> {
        // Answers are written whole: waiting for more to send only delays them.
        stream.set_nodelay(true)?;
        bound_stall(&stream, self.write_timeout)?;
        let peer = self.peer(&mut stream, peer).await?;
        let (opened, client) = self.open(stream).await?;
        Ok((opened, Peer { client, ..peer }))
    }

    /// Whose connection it is: that of whoever connected, or of the one for whom a trusted proxy did.
    async fn peer(&self, stream: &mut TcpStream, peer: Peer) -> io::Result<Peer> {
        if self.proxies.protocol == ProxyProtocol::Off || !self.proxies.trusts(peer.address.ip()) {
            return Ok(peer);
        }
        let address = proxies::read(stream).await.map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
        Ok(address.map_or(peer, Peer::at))
    }

    /// Finds out what the client speaks: by ALPN under TLS, by its first bytes otherwise. And who it is, where it shows a certificate.
    async fn open(&self, stream: TcpStream) -> io::Result<(Opened, Option<Arc<TlsClient>>)> {
        let (config, files) = match &self.tls {
            Tls::Plain => return Ok((Opened::Plain(preface(&stream).await?, stream), None)),
            Tls::Files(files) => (files.server_config(), Some(files)),
            Tls::Gateways(proof) => (proof.clone(), None),
        };
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let connection = stream.get_ref().1;
        let version = if connection.alpn_protocol() == Some(b"h2") { Version::Http2 } else { Version::Http1 };
        let client = files.and_then(|files| files.client(connection));
        Ok((Opened::Tls(version, Box::new(stream)), client))
    }
}

impl<S, F, B> Connector<S>
where
    S: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    /// Serves one connection to its end. The slot is given back then.
    pub(super) async fn run(
        self: Arc<Self>,
        stream: TcpStream,
        peer: Peer,
        mut drain: Drain,
        _slot: Option<OwnedSemaphorePermit>,
    ) {
        let _counted = InUse::of(&METRICS.connections);
        let address = peer.address;
        let opened = tokio::select! {
            biased;
            opened = timeout(self.header_timeout, self.start(stream, peer)) => opened,
            () = last_word(&mut drain) => return,
        };
        let ended = match opened {
            Ok(Ok((Opened::Plain(version, io), peer))) => self.http(version, io, peer, drain).await,
            Ok(Ok((Opened::Tls(version, io), peer))) => self.http(version, io, peer, drain).await,
            Ok(Err(error)) => {
                return tracing::debug!(peer = %address, error = %error, "a connection failed at its start");
            }
            Err(_elapsed) => return tracing::debug!(peer = %address, "a connection took too long to start"),
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %address, error = %error, cause = error.source(), "a connection ended badly");
        }
    }

    async fn http<I>(&self, version: Version, io: I, peer: Peer, drain: Drain) -> hyper::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match version {
            Version::Http1 => self.http1(io, peer, drain).await,
            Version::Http2 => self.http2_streams(io, peer, drain).await,
        }
    }

    async fn http1<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        io: I,
        peer: Peer,
        mut drain: Drain,
    ) -> hyper::Result<()> {
        let service = self.service.clone();
        let leaving = Leaving::default();
        let told = leaving.clone();
        let answer = service_fn(move |request| {
            let told = told.clone();
            Finished::new(service(request, peer.clone()), move |answer| told.tell(answer))
        });
        let patience = Patience::new(self.header_timeout, self.idle_timeout);
        let io = TokioIo::new(patience.over(io));
        let mut connection = pin!(self.http1.clone().timer(patience).serve_connection(io, answer));
        {
            let drains = pin!(drain.started());
            tokio::select! {
                // First what the client sent, so that a request which is already here counts as being in flight.
                biased;
                ended = connection.as_mut() => return ended,
                () = Seldom::new(drains) => leaving.start(),
            }
        }
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            () = sleep(LINGER.min(drain.left() / 2)) => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }

    async fn http2_streams<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        io: I,
        peer: Peer,
        mut drain: Drain,
    ) -> hyper::Result<()> {
        let streams = Streams::new(self.write_timeout);
        let service = self.service.clone();
        let answer = service_fn(move |request| Finished::new(service(request, peer.clone()), paced));
        let mut connection = pin!(self.http2(streams.spawner()).serve_connection(TokioIo::new(io), answer));
        let drains = pin!(drain.started());
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            () = Seldom::new(drains) => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }
}

/// A client that takes nothing for so long is gone, or as good as: what it was sent is held for it until then, and so are the places of
/// its calls on their servers. The kernel sees best whether anything was taken (RFC 5482; tcp(7), `TCP_USER_TIMEOUT`).
#[cfg(target_os = "linux")]
fn bound_stall(stream: &TcpStream, most: Duration) -> io::Result<()> {
    let most_ms = u32::try_from(most.as_millis()).unwrap_or(u32::MAX);
    Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, most_ms)?)
}

/// Elsewhere the kernel's own patience has to do.
#[cfg(not(target_os = "linux"))]
fn bound_stall(_stream: &TcpStream, _most: Duration) -> io::Result<()> {
    Ok(())
}

/// The time after the drain's start in which a new connection may still speak.
async fn last_word(drain: &mut Drain) {
    drain.started().await;
    sleep(LAST_WORD).await;
}

/// Looks at the first bytes and leaves them in the kernel's buffer, so that no wrapper has to replay them on each read.
///
/// `PRI` begins the HTTP/2 preface and no method (RFC 9113 §3.4). A client whose very first packet is shorter than that is served as
/// HTTP/1.1, which refuses the preface; no client sends it in pieces.
async fn preface(stream: &TcpStream) -> io::Result<Version> {
    let mut first = [0; 3];
    let seen = stream.peek(&mut first).await?;
    Ok(if first.get(..seen) == Some(b"PRI") { Version::Http2 } else { Version::Http1 })
}
