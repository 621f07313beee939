//! Event streams: how they are read, left, and ended.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{mpsc, oneshot},
};

use super::{
    super::{Client, HttpFault},
    stage::{LIMIT, STREAM_HEAD, Upstream, chunk, post, read_request, see_events, soon},
};

const EVENTS: &str = "id: 1\ndata: \n\nevent: message\r\ndata: {\"a\":1}\r\n\r\n: pause\n\ndata: two\ndata: lines\n\n";

#[tokio::test]
async fn events_split_anywhere_arrive_whole_and_the_end_gives_the_connection_back() {
    let upstream = Upstream::play(|mut stream, _| async move {
        while let Some((_, size)) = read_request(&mut stream).await {
            stream.write_all(STREAM_HEAD.as_bytes()).await.unwrap();
            for piece in EVENTS.as_bytes().chunks(size.parse().unwrap()) {
                stream.write_all(&chunk(piece)).await.unwrap();
                tokio::task::yield_now().await;
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let client = upstream.client();
    for size in ["1", "2", "3", "7", "1000"] {
        let mut body = client.send(post(size)).await.unwrap().body;
        let mut data = Vec::new();
        while let Some(event) = soon(body.next_event()).await.unwrap() {
            data.push(event.data);
        }
        assert_eq!(data, ["", "{\"a\":1}", "two\nlines"]);
    }
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn an_event_survives_a_dropped_wait_for_it() {
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let may_go_on = std::sync::Mutex::new(Some(may_go_on));
    let upstream = Upstream::play(move |mut stream, _| {
        let may_go_on = may_go_on.lock().unwrap().take();
        async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(&[STREAM_HEAD.as_bytes(), &chunk(b"data: ha")].concat()).await.unwrap();
            may_go_on.unwrap().await.unwrap();
            stream.write_all(&chunk(b"lf\n\n")).await.unwrap();
            stream.read_u8().await.unwrap_err();
        }
    })
    .await;
    let mut body = upstream.client().send(post("{}")).await.unwrap().body;
    for _ in 0..10 {
        tokio::select! {
            biased;
            event = body.next_event() => panic!("{event:?} came early"),
            () = see_events() => (),
        }
    }
    go_on.send(()).unwrap();
    assert_eq!(soon(body.next_event()).await.unwrap().unwrap().data, "half");
}

/// An upstream that begins a stream with `opening` and tells when its caller is gone.
async fn unending(opening: String) -> (Upstream, mpsc::Receiver<()>) {
    let (gone, is_gone) = mpsc::channel(1);
    let upstream = Upstream::play(move |mut stream, _| {
        let (gone, opening) = (gone.clone(), opening.clone());
        async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(opening.as_bytes()).await.unwrap();
            assert!(!matches!(stream.read(&mut [0]).await, Ok(1..)));
            gone.send(()).await.unwrap();
        }
    })
    .await;
    (upstream, is_gone)
}

fn opened_with(event: &[u8]) -> String {
    STREAM_HEAD.to_owned() + std::str::from_utf8(&chunk(event)).unwrap()
}

#[tokio::test]
async fn dropping_a_stream_in_the_middle_closes_its_connection() {
    let (upstream, mut is_gone) = unending(opened_with(b"data: 1\n\n")).await;
    let client = upstream.client();
    let mut body = client.send(post("{}")).await.unwrap().body;
    assert_eq!(body.next_event().await.unwrap().unwrap().data, "1");
    drop(body);
    soon(is_gone.recv()).await.unwrap();
}

#[tokio::test]
async fn dropping_a_call_that_is_never_answered_closes_its_connection() {
    let (upstream, mut is_gone) = unending(String::new()).await;
    let client = upstream.client();
    let wait = std::time::Duration::from_millis(100);
    assert!(tokio::time::timeout(wait, client.send(post("{}"))).await.is_err());
    soon(is_gone.recv()).await.unwrap();
}

#[tokio::test]
async fn an_event_beyond_the_limit_ends_the_stream_and_the_connection() {
    let event = format!("data: {}", "x".repeat(LIMIT));
    let (upstream, mut is_gone) = unending(opened_with(event.as_bytes())).await;
    let mut body = upstream.client().send(post("{}")).await.unwrap().body;
    assert!(matches!(soon(body.next_event()).await, Err(HttpFault::TooLarge { limit: LIMIT })));
    soon(is_gone.recv()).await.unwrap();
}

#[tokio::test]
async fn a_stream_cut_off_is_a_reset_and_not_an_end() {
    let upstream = Upstream::play(|mut stream, _| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(opened_with(b"data: 1\n\n").as_bytes()).await.unwrap();
    })
    .await;
    let mut body = upstream.client().send(post("{}")).await.unwrap().body;
    assert_eq!(body.next_event().await.unwrap().unwrap().data, "1");
    let fault = soon(body.next_event()).await.unwrap_err();
    assert!(matches!(fault, HttpFault::Reset(_)) && !fault.never_reached_upstream(), "{fault:?}");
}

#[tokio::test]
async fn a_retired_stream_whose_end_is_there_gives_its_connection_back_at_once() {
    let upstream = Upstream::play(|mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            stream.write_all((opened_with(b"data: 1\n\n") + "0\r\n\r\n").as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = upstream.client();
    for _ in 0..5 {
        let mut body = client.send(post("{}")).await.unwrap().body;
        assert_eq!(body.next_event().await.unwrap().unwrap().data, "1");
        body.retire();
    }
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn a_retired_stream_whose_end_comes_later_gives_its_connection_back_then() {
    let (end, may_end) = oneshot::channel::<()>();
    let may_end = std::sync::Mutex::new(Some(may_end));
    let upstream = Upstream::play(move |mut stream, _| {
        let may_end = may_end.lock().unwrap().take();
        async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(opened_with(b"data: 1\n\n").as_bytes()).await.unwrap();
            may_end.unwrap().await.unwrap();
            stream.write_all(b"0\r\n\r\n").await.unwrap();
            read_request(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let mut settings = upstream.settings();
    settings.max_connections = 1;
    let client = Client::new(&settings, LIMIT).unwrap();
    let mut body = client.send(post("{}")).await.unwrap().body;
    assert_eq!(body.next_event().await.unwrap().unwrap().data, "1");
    body.retire();
    end.send(()).unwrap();
    // The only slot: the call waits until the stream has ended.
    assert_eq!(soon(client.send(post("{}"))).await.unwrap().status, 202);
    assert_eq!(upstream.accepted(), 1);
}
