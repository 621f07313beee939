//! TLS and HTTP/2.

use std::{
    convert::Infallible,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Frame;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::{
    super::{Client, HttpFault},
    stage::{LIMIT, Upstream, post, settings, soon, text},
};

/// A body fed from outside; whoever feeds it sees when nobody reads it any more.
struct Fed(mpsc::Receiver<Bytes>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// An upstream with a certificate of its own making; the body of a request says how it is answered.
struct Certified {
    upstream: Upstream,
    ca: PathBuf,
    /// The feed of the last stream.
    feed: Arc<Mutex<Option<mpsc::Sender<Bytes>>>>,
    /// Ends each connection of the current number.
    ending: watch::Sender<usize>,
    _directory: TempDir,
}

impl Certified {
    async fn speaking(protocols: &[&[u8]]) -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, certified.cert.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let feed = Arc::new(Mutex::new(None));
        let (ending, end) = watch::channel(0);
        let feeds = feed.clone();
        let upstream = Upstream::play(move |stream, number| {
            let (acceptor, feeds, mut end) = (acceptor.clone(), feeds.clone(), end.clone());
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(move |request| answer(request, feeds.clone()));
                let server = auto::Builder::new(TokioExecutor::new());
                tokio::select! {
                    _ = server.serve_connection(TokioIo::new(stream), service) => (),
                    _ = end.wait_for(|ended| *ended == number) => (),
                }
            }
        })
        .await;
        Self { upstream, ca, feed, ending, _directory: directory }
    }

    fn client(&self) -> Client {
        let mut settings = settings(&format!("https://localhost:{}/mcp", self.upstream.address.port()));
        settings.ca = Some(self.ca.clone());
        settings.max_connections = 4;
        Client::new(&settings, LIMIT).unwrap()
    }
}

async fn answer(
    request: Request<Incoming>,
    feeds: Arc<Mutex<Option<mpsc::Sender<Bytes>>>>,
) -> Result<Response<Fed>, Infallible> {
    let is_stream = request.method() == http::Method::GET;
    let version = if request.version() == Version::HTTP_2 { "h2" } else { "h1" };
    let (feed, fed) = mpsc::channel(4);
    let host = request.uri().authority().map(ToString::to_string);
    let host = host.or_else(|| request.headers().get("host").map(|host| host.to_str().unwrap().to_owned())).unwrap();
    feed.send(Bytes::from(format!("data: {version} {}\n\n", host.split(':').next().unwrap()))).await.unwrap();
    if is_stream {
        *feeds.lock().await = Some(feed);
    }
    Ok(Response::new(Fed(fed)))
}

#[tokio::test]
async fn http2_calls_share_one_connection() {
    let certified = Certified::speaking(&[b"h2", b"http/1.1"]).await;
    let client = Arc::new(certified.client());
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let client = client.clone();
        calls.spawn(async move { text(&client, "{}").await });
    }
    while let Some(answer) = soon(calls.join_next()).await {
        assert_eq!(answer.unwrap(), "data: h2 localhost\n\n");
    }
    assert_eq!(certified.upstream.accepted(), 1);
}

#[tokio::test]
async fn http1_over_tls_keeps_its_connection() {
    let certified = Certified::speaking(&[b"http/1.1"]).await;
    let client = certified.client();
    for _ in 0..5 {
        assert_eq!(text(&client, "{}").await, "data: h1 localhost\n\n");
    }
    assert_eq!(certified.upstream.accepted(), 1);
}

#[tokio::test]
async fn dropping_an_http2_stream_resets_it_and_leaves_the_connection() {
    let certified = Certified::speaking(&[b"h2"]).await;
    let client = certified.client();
    let mut listening = post("");
    listening.method = http::Method::GET;
    let mut body = client.send(listening).await.unwrap().body;
    assert_eq!(soon(body.next_event()).await.unwrap().unwrap().data, "h2 localhost");
    let feed = certified.feed.lock().await.take().unwrap();
    assert!(!feed.is_closed());
    drop(body);
    soon(feed.closed()).await;
    assert_eq!(text(&client, "{}").await, "data: h2 localhost\n\n");
    assert_eq!(certified.upstream.accepted(), 1);
}

#[tokio::test]
async fn a_closed_http2_connection_fails_its_streams_and_is_replaced() {
    let certified = Certified::speaking(&[b"h2"]).await;
    let client = certified.client();
    let mut listening = post("");
    listening.method = http::Method::GET;
    let mut body = client.send(listening).await.unwrap().body;
    soon(body.next_event()).await.unwrap().unwrap();
    certified.ending.send(1).unwrap();
    assert!(matches!(soon(body.next_event()).await, Err(HttpFault::Reset(_)) | Ok(None)));
    assert_eq!(soon(text(&client, "{}")).await, "data: h2 localhost\n\n");
    assert_eq!(certified.upstream.accepted(), 2);
}

#[tokio::test]
async fn an_upstream_with_a_certificate_of_somebody_else_is_not_spoken_to() {
    let certified = Certified::speaking(&[b"h2"]).await;
    let other = Certified::speaking(&[b"h2"]).await;
    let mut settings = settings(&format!("https://localhost:{}/mcp", certified.upstream.address.port()));
    settings.ca = Some(other.ca.clone());
    let fault = Client::new(&settings, LIMIT).unwrap().send(post("{}")).await.unwrap_err();
    assert!(matches!(fault, HttpFault::Tls(_)) && fault.never_reached_upstream(), "{fault:?}");
}
