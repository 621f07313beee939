use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::downstream::{
    drain::{Drainer, drain},
    proxies::{ProxyProtocol, ProxySettings},
    settings::{HttpSettings, ListenerSettings, TlsSettings},
    tls::{Reload, TlsFiles, tests::Files},
};

/// Long enough that no test waits for it.
const NEVER: Duration = Duration::from_secs(3600);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

pub(super) fn settings() -> HttpSettings {
    HttpSettings {
        max_body_bytes: 1 << 20,
        max_header_bytes: 1024,
        header_timeout: NEVER,
        idle_timeout: NEVER,
        body_timeout: NEVER,
        max_connections: 100,
        max_requests: 100,
        keep_alive: NEVER,
        max_depth: 64,
        max_batch: 10,
        write_timeout: Duration::from_secs(60),
        allowed_origins: Vec::new(),
        allowed_hosts: Vec::new(),
        max_streams: 10,
        proxies: ProxySettings::default(),
    }
}

/// A listener whose service answers `/` at once and `/slow` when it is told to.
struct Running {
    address: SocketAddr,
    files: Option<Arc<TlsFiles>>,
    drainer: Drainer,
    service: Arc<Service>,
    served: JoinHandle<Served>,
}

#[derive(Default)]
struct Service {
    /// A slow request arrived.
    arrived: Notify,
    /// The slow requests may be answered.
    release: Notify,
    /// Slow requests that were dropped unanswered.
    dropped: AtomicUsize,
}

struct Dropped<'a>(&'a AtomicUsize);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Service {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/slow" => {
                let dropped = Dropped(&self.dropped);
                self.arrived.notify_one();
                self.release.notified().await;
                std::mem::forget(dropped);
            }
            "/panic" => panic!("as the test asked for"),
            _ => (),
        }
        Response::new(Full::from(peer.address.to_string()))
    }
}

fn start(http: HttpSettings, tls: Option<TlsSettings>) -> Running {
    let bound = Bound::bind(&ListenerSettings { address: "127.0.0.1:0".parse().unwrap(), tls }).unwrap();
    let (address, files) = (bound.address(), bound.tls_files());
    let (drainer, drain) = drain();
    let service = Arc::new(Service::default());
    let shared = service.clone();
    let served =
        tokio::spawn(serve(bound, Arc::new(http), move |request, peer| shared.clone().answer(request, peer), drain));
    Running { address, files, drainer, service, served }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn http2(&self) -> http2::SendRequest<Empty<Bytes>> {
        let io = TokioIo::new(self.connect().await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://localhost{path}")).body(Empty::new()).unwrap()
}

/// Reads one answer with a `content-length`.
async fn read_answer<I: AsyncRead + Unpin>(io: &mut I) -> String {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next()?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        assert_ne!(io.read_buf(&mut answer).await.unwrap(), 0, "the connection ended: {text}");
    }
}

async fn ask<I: AsyncRead + AsyncWrite + Unpin>(io: &mut I, request: &[u8]) -> String {
    io.write_all(request).await.unwrap();
    read_answer(io).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // A reset is an end, too.
    let _end = stream.read_to_end(&mut rest).await;
    String::from_utf8(rest).unwrap()
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let running = start(settings(), None);
    let mut stream = running.connect().await;
    let own = stream.local_addr().unwrap().to_string();
    for _ in 0..3 {
        let answer = ask(&mut stream, REQUEST).await;
        assert!(answer.starts_with("http/1.1 200 ok") && answer.ends_with(&own), "{answer}");
    }
}

#[tokio::test]
async fn speaks_http2_without_tls_to_those_who_begin_with_it() {
    let running = start(settings(), None);
    let mut sender = running.http2().await;
    let (one, two) = tokio::join!(sender.clone().send_request(get("/")), sender.send_request(get("/")));
    assert_eq!((one.unwrap().status(), two.unwrap().status()), (http::StatusCode::OK, http::StatusCode::OK));
}

/// A listener behind proxies at `trusted` that speak the PROXY protocol.
fn behind(trusted: &str) -> Running {
    let trusted = vec![trusted.parse().unwrap()];
    let proxies = ProxySettings { trusted, protocol: ProxyProtocol::On, ..ProxySettings::default() };
    start(HttpSettings { proxies, ..settings() }, None)
}

#[tokio::test]
async fn a_trusted_proxy_says_whose_connection_it_is() {
    let running = behind("127.0.0.0/8");
    let mut stream = running.connect().await;
    stream.write_all(b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n").await.unwrap();
    for _ in 0..2 {
        let answer = ask(&mut stream, REQUEST).await;
        assert!(answer.ends_with("203.0.113.9:4711"), "{answer}");
    }
    let mut health = running.connect().await;
    let own = health.local_addr().unwrap().to_string();
    health.write_all(b"PROXY UNKNOWN\r\n").await.unwrap();
    let answer = ask(&mut health, REQUEST).await;
    assert!(answer.ends_with(&own), "{answer}");
}

#[tokio::test]
async fn a_trusted_proxy_that_says_nothing_is_cut_off_and_others_are_not_believed() {
    let mut stream = behind("127.0.0.0/8").connect().await;
    stream.write_all(REQUEST).await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
    let stranger = behind("10.0.0.0/8");
    let mut stream = stranger.connect().await;
    let own = stream.local_addr().unwrap().to_string();
    let answer = ask(&mut stream, REQUEST).await;
    assert!(answer.ends_with(&own), "{answer}");
    let mut stream = stranger.connect().await;
    stream.write_all(b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n").await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("http/1.1 400 "), "{answer}");
}

fn request_of(size: usize) -> Vec<u8> {
    let frame = "GET / HTTP/1.1\r\nHost: localhost\r\nX: \r\n\r\n".len();
    format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(size - frame)).into_bytes()
}

#[tokio::test]
async fn takes_headers_at_the_limit() {
    let running = start(settings(), None);
    let answer = ask(&mut running.connect().await, &request_of(1024)).await;
    assert!(answer.starts_with("http/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn refuses_headers_one_byte_past_the_limit() {
    let running = start(settings(), None);
    let answer = ask(&mut running.connect().await, &request_of(1025)).await;
    assert!(answer.starts_with("http/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn refuses_headers_that_never_end() {
    let running = start(settings(), None);
    let mut endless = request_of(4096);
    endless.truncate(4000);
    let answer = ask(&mut running.connect().await, &endless).await;
    assert!(answer.starts_with("http/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn refuses_large_headers_on_http2() {
    let running = start(settings(), None);
    let mut request = get("/");
    request.headers_mut().insert("x", "x".repeat(1024).parse().unwrap());
    assert_eq!(running.http2().await.send_request(request).await.unwrap().status(), 431);
}

#[tokio::test]
async fn a_slow_header_is_cut_off() {
    let running = start(HttpSettings { header_timeout: Duration::from_millis(50), ..settings() }, None);
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let running = start(HttpSettings { header_timeout: Duration::from_millis(50), ..settings() }, None);
    assert_eq!(read_to_end(&mut running.connect().await).await, "");
}

#[tokio::test]
async fn between_requests_a_connection_may_be_silent_for_longer_than_headers_may_take() {
    let running = start(HttpSettings { header_timeout: Duration::from_millis(50), ..settings() }, None);
    let mut stream = running.connect().await;
    ask(&mut stream, REQUEST).await;
    // Whoever says nothing from now on is cut off first.
    assert_eq!(read_to_end(&mut running.connect().await).await, "");
    assert!(ask(&mut stream, REQUEST).await.starts_with("http/1.1 200 ok"));
    // The next request has begun: now its headers must come.
    stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_connection_that_is_silent_for_too_long_between_requests_is_closed() {
    let running = start(HttpSettings { idle_timeout: Duration::from_millis(50), ..settings() }, None);
    let mut stream = running.connect().await;
    assert!(ask(&mut stream, REQUEST).await.starts_with("http/1.1 200 ok"));
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_slow_handshake_is_cut_off() {
    let files = Files::new();
    let running =
        start(HttpSettings { header_timeout: Duration::from_millis(50), ..settings() }, Some(files.settings()));
    assert_eq!(read_to_end(&mut running.connect().await).await, "");
}

#[tokio::test]
async fn one_connection_too_many_waits_for_a_free_place() {
    let running = start(HttpSettings { max_connections: 1, ..settings() }, None);
    let mut first = running.connect().await;
    assert!(ask(&mut first, REQUEST).await.starts_with("http/1.1 200 "));
    let mut second = running.connect().await;
    second.write_all(REQUEST).await.unwrap();
    // The first is served while the second waits, whose request was sent before.
    assert!(ask(&mut first, REQUEST).await.starts_with("http/1.1 200 "));
    assert_eq!(second.try_read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    assert!(read_answer(&mut second).await.starts_with("http/1.1 200 "));
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_alone() {
    let running = start(settings(), None);
    let mut other = running.connect().await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!(ask(&mut other, REQUEST).await.starts_with("http/1.1 200 "));
}

#[tokio::test]
async fn drain_closes_idle_connections_and_the_socket() {
    let running = start(settings(), None);
    let mut idle = running.connect().await;
    ask(&mut idle, REQUEST).await;
    let mut unused = running.connect().await;
    running.drainer.start(NEVER);
    assert_eq!(read_to_end(&mut idle).await, "");
    assert_eq!(read_to_end(&mut unused).await, "");
    assert_eq!(running.served.await.unwrap(), Served { cut_off: 0 });
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn a_connection_that_is_kept_open_takes_a_request_at_the_drain_and_says_that_it_is_the_last() {
    let running = start(settings(), None);
    let mut kept = running.connect().await;
    assert!(!ask(&mut kept, REQUEST).await.contains("connection: close"));
    running.drainer.start(NEVER);
    while TcpStream::connect(running.address).await.is_ok() {}
    let last = ask(&mut kept, REQUEST).await;
    assert!(last.starts_with("http/1.1 200 ") && last.contains("connection: close"), "{last}");
    assert_eq!(read_to_end(&mut kept).await, "");
    assert_eq!(running.served.await.unwrap(), Served { cut_off: 0 });
}

#[tokio::test]
async fn drain_lets_the_request_in_flight_finish() {
    let running = start(settings(), None);
    let mut stream = running.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    running.service.arrived.notified().await;
    running.drainer.start(NEVER);
    running.service.release.notify_one();
    assert!(read_answer(&mut stream).await.starts_with("http/1.1 200 "));
    assert_eq!(read_to_end(&mut stream).await, "");
    assert_eq!(running.served.await.unwrap(), Served { cut_off: 0 });
}

#[tokio::test]
async fn drain_lets_an_http2_stream_in_flight_finish() {
    let running = start(settings(), None);
    let mut sender = running.http2().await;
    let answer = tokio::spawn(sender.send_request(get("/slow")));
    running.service.arrived.notified().await;
    running.drainer.start(NEVER);
    running.service.release.notify_one();
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    assert_eq!(running.served.await.unwrap(), Served { cut_off: 0 });
}

#[tokio::test]
async fn a_request_that_was_sent_before_the_drain_is_answered() {
    let running = start(settings(), None);
    // Neither accepted nor read when the drain starts: this task has not let the listener run since.
    let mut stream = std::net::TcpStream::connect(running.address).unwrap();
    std::io::Write::write_all(&mut stream, REQUEST).unwrap();
    running.drainer.start(NEVER);
    stream.set_nonblocking(true).unwrap();
    let answer = read_answer(&mut TcpStream::from_std(stream).unwrap()).await;
    assert!(answer.starts_with("http/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn what_is_busy_at_the_deadline_is_cut_off() {
    let running = start(settings(), None);
    let mut stream = running.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    running.service.arrived.notified().await;
    let mut sender = running.http2().await;
    let answer = tokio::spawn(sender.send_request(get("/slow")));
    running.service.arrived.notified().await;
    running.drainer.start(Duration::ZERO);
    assert_eq!(running.served.await.unwrap(), Served { cut_off: 2 });
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!(answer.await.unwrap().is_err());
    assert_eq!(running.service.dropped.load(Ordering::SeqCst), 2);
}

async fn tls(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
}

#[tokio::test]
async fn tls_clients_choose_their_http_by_alpn() {
    let files = Files::new();
    let running = start(settings(), Some(files.settings()));
    for alpn in [&[][..], &[b"http/1.1".as_slice()]] {
        let mut stream = tls(running.address, &files.certificate, alpn).await.unwrap();
        assert!(ask(&mut stream, REQUEST).await.starts_with("http/1.1 200 "));
    }
    let stream = tls(running.address, &files.certificate, &[b"h2", b"http/1.1"]).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(sender.send_request(get("/")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_reload_changes_the_certificate_of_new_connections_while_old_ones_go_on() {
    let mut files = Files::new();
    let running = start(settings(), Some(files.settings()));
    let first = files.certificate.clone();
    let mut old = tls(running.address, &first, &[]).await.unwrap();
    files.renew();
    assert_eq!(running.files.as_ref().unwrap().reload_if_changed().unwrap(), Reload::Replaced);
    assert!(ask(&mut old, REQUEST).await.starts_with("http/1.1 200 "));
    assert!(tls(running.address, &first, &[]).await.is_err());
    let mut new = tls(running.address, &files.certificate, &[]).await.unwrap();
    assert!(ask(&mut new, REQUEST).await.starts_with("http/1.1 200 "));
}

#[tokio::test]
async fn a_taken_address_is_an_error_at_the_start() {
    let running = start(settings(), None);
    let again = Bound::bind(&ListenerSettings { address: running.address, tls: None });
    assert!(matches!(again, Err(BindError::Address(address, _)) if address == running.address));
}
