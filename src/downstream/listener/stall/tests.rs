use std::{convert::Infallible, net::SocketAddr};

use http::Request;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, sync::Notify, time::timeout};

use super::*;
use crate::downstream::{
    drain::drain,
    listener::{Bound, Peer, serve, tests::settings},
    settings::{HttpSettings, ListenerSettings},
};

/// Long enough that no test waits for it.
const NEVER: Duration = Duration::from_secs(3600);
/// What a stream is waited for, and what a test waits at the most.
const PATIENCE: Duration = Duration::from_millis(300);
const SOON: Duration = Duration::from_secs(60);

/// A body of so many bytes, or without an end, which tells when it is dropped.
struct Told {
    left: Option<Full<Bytes>>,
    dropped: Option<Arc<Notify>>,
}

impl Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.left {
            Some(left) => Pin::new(left).poll_frame(context),
            None => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 10_000]))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(dropped) = &self.dropped {
            dropped.notify_one();
        }
    }
}

/// A listener that answers `/told/N` with N bytes, or without an end, and says when that is dropped; `/N` is not told.
fn listener(write_timeout: Duration) -> (SocketAddr, Arc<Notify>) {
    let http = HttpSettings { write_timeout, ..settings() };
    let bound = Bound::bind(&ListenerSettings { address: "127.0.0.1:0".parse().unwrap(), tls: None }).unwrap();
    let address = bound.address();
    let dropped = Arc::new(Notify::new());
    let told = dropped.clone();
    let service = move |request: Request<Incoming>, _peer: Peer| {
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let (length, dropped) = match path.strip_prefix("told/") {
            Some(length) => (length.to_owned(), Some(told.clone())),
            None => (path, None),
        };
        let left = length.parse().ok().map(|length: usize| Full::new(Bytes::from(vec![b'y'; length])));
        std::future::ready(Response::new(Told { left, dropped }))
    };
    tokio::spawn(async move {
        // Kept for as long as it serves.
        let (_drainer, drain) = drain();
        serve(bound, Arc::new(http), service, drain).await
    });
    (address, dropped)
}

/// A client of which each stream takes so many bytes that are not read.
async fn client(address: SocketAddr, window: u32) -> http2::SendRequest<Empty<Bytes>> {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window).initial_connection_window_size(1 << 24);
    let (sender, connection) = builder.handshake(io).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(client: &mut http2::SendRequest<Empty<Bytes>>, path: &str) -> Response<Incoming> {
    client.ready().await.unwrap();
    let request = Request::get(format!("http://localhost{path}")).body(Empty::new()).unwrap();
    timeout(SOON, client.send_request(request)).await.unwrap().unwrap()
}

async fn read(answer: Response<Incoming>) -> hyper::Result<Bytes> {
    timeout(SOON, answer.into_body().collect()).await.unwrap().map(http_body_util::Collected::to_bytes)
}

#[tokio::test]
async fn a_stream_of_which_nothing_is_taken_is_reset_and_its_connection_goes_on() {
    let (address, dropped) = listener(PATIENCE);
    // Without an end; longer than the window; and of one piece that the window cuts.
    for (window, path) in [(65_535, "/told/endless"), (65_535, "/told/100000"), (100, "/told/1000")] {
        let mut client = client(address, window).await;
        let stalled = ask(&mut client, path).await;
        timeout(SOON, dropped.notified()).await.unwrap_or_else(|_| panic!("{path} is held"));
        assert!(read(stalled).await.is_err(), "{path} was reset");
        assert!(read(ask(&mut client, "/50").await).await.is_ok_and(|body| body.len() == 50), "after {path}");
    }
}

#[tokio::test]
async fn streams_that_are_read_go_on_beside_one_that_is_not() {
    let (address, dropped) = listener(PATIENCE);
    let mut client = client(address, 65_535).await;
    let stalled = ask(&mut client, "/told/endless").await;
    let mut others = 0;
    let mut ended = std::pin::pin!(timeout(SOON, dropped.notified()));
    // What fits into a window waits for nobody, however slow this machine is.
    while futures(&mut ended).await.is_none() {
        assert_eq!(read(ask(&mut client, "/60000").await).await.unwrap().len(), 60_000);
        others += 1;
    }
    assert!(others > 0);
    drop(stalled);
}

/// What a future has to say at the moment.
async fn futures<F: Future>(future: &mut Pin<&mut F>) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn bodies_of_any_length_arrive_whole_also_where_the_window_is_just_as_long() {
    let (address, _) = listener(NEVER);
    for length in [1, 2, 100, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 1 << 20] {
        for window in [1 << 20, u32::try_from(length).unwrap()] {
            let mut client = client(address, window).await;
            let answer = ask(&mut client, &format!("/{length}")).await;
            let expected = length.to_string();
            assert_eq!(
                answer.headers().get("content-length").and_then(|length| length.to_str().ok()),
                Some(&*expected)
            );
            assert_eq!(read(answer).await.unwrap(), vec![b'y'; length], "{length} in {window}");
        }
    }
}
