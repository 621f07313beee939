//! Upstreams written by hand, and what tests say to them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::super::{Client, Outgoing};
use crate::upstream::settings::HttpSettings;

pub(super) const LIMIT: usize = 4096;

/// A listening upstream; each connection is played by a function of the stream and its number, from 1.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Upstream {
    pub(super) async fn play<P: Future<Output = ()> + Send + 'static>(
        play: impl Fn(TcpStream, usize) -> P + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(play(stream, number));
            }
        });
        Self { address, accepted }
    }

    /// An address that nobody listens at any more.
    pub(super) async fn gone() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), accepted: Arc::default() }
    }

    /// One that gives the same answer to each request, on as many connections as it is asked.
    pub(super) async fn answering(answer: &'static str) -> Self {
        Self::play(move |mut stream, _| async move {
            while read_request(&mut stream).await.is_some() {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(super) fn settings(&self) -> HttpSettings {
        settings(&format!("http://{}/mcp", self.address))
    }

    pub(super) fn client(&self) -> Client {
        Client::new(&self.settings(), LIMIT).unwrap()
    }
}

pub(super) fn settings(url: &str) -> HttpSettings {
    HttpSettings {
        headers: vec![(http::header::AUTHORIZATION, "Bearer k".into())],
        ..HttpSettings::plain(url.parse().unwrap(), Duration::from_secs(10), 64)
    }
}

pub(super) fn post(body: &'static str) -> Outgoing {
    let headers = HeaderMap::from_iter([(http::header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]);
    Outgoing { method: Method::POST, target: None, headers, body: Bytes::from_static(body.as_bytes()) }
}

pub(super) async fn text(client: &Client, body: &'static str) -> String {
    let answer = client.send(post(body)).await.unwrap();
    String::from_utf8(answer.body.collect(LIMIT).await.unwrap().to_vec()).unwrap()
}

/// Head and body of the next request; nothing at the end of the connection.
pub(super) async fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}

/// The head of an event stream.
pub(super) const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

pub(super) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

pub(super) fn sized(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// What must happen soon, on a busy machine too.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it did not happen")
}

/// Lets the runtime see every socket event that has happened before: one that happens after them comes after them.
pub(super) async fn see_events() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    drop(near);
    assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
}
