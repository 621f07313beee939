//! Which connection a request goes over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::{Barrier, mpsc},
};

use super::{
    super::{Client, HttpFault, Phase, link::Link, transport::Transport},
    stage::{LIMIT, STREAM_HEAD, Upstream, post, read_request, see_events, sized, soon, text},
};

#[tokio::test]
async fn one_connection_serves_calls_one_after_the_other() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let client = upstream.client();
    for _ in 0..20 {
        assert_eq!(text(&client, "{}").await, "ok");
    }
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn a_request_carries_its_own_and_the_configured_headers_and_no_accepted_coding() {
    let upstream = Upstream::play(|mut stream, _| async move {
        let (head, body) = read_request(&mut stream).await.unwrap();
        stream.write_all(sized(&format!("{head}{body}")).as_bytes()).await.unwrap();
    })
    .await;
    let seen = text(&upstream.client(), "{}").await;
    let host = format!("host: {}\r\n", upstream.address);
    let expected = [
        "post /mcp http/1.1\r\n",
        &host,
        "content-length: 2\r\n",
        "authorization: bearer k\r\n",
        "user-agent: myelin/",
    ];
    assert_eq!(expected.map(|part| seen.contains(part)), [true; 5], "{seen}");
    assert!(seen.ends_with("\r\n\r\n{}") && !seen.contains("gzip"), "{seen}");
}

#[tokio::test]
async fn a_connection_closed_at_rest_is_replaced_without_an_error() {
    let (closed, mut was_closed) = mpsc::channel(1);
    let upstream = Upstream::play(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(sized("ok").as_bytes()).await.unwrap();
            drop(stream);
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let client = upstream.client();
    for calls in 1..=5 {
        assert_eq!(text(&client, "{}").await, "ok");
        was_closed.recv().await.unwrap();
        see_events().await;
        assert_eq!(upstream.accepted(), calls);
    }
}

#[tokio::test]
async fn a_request_comes_back_from_a_connection_that_closed_before_it_was_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    drop(listener.accept().await.unwrap());
    see_events().await;
    let mut link = Link::over(Transport::Plain(near), 0).await.unwrap();
    let _closed = link.settle();
    let mut unsent = link.exchange(Request::new(Full::new(Bytes::from("{}")))).await.unwrap_err();
    assert!(unsent.take_message().is_some());
}

#[tokio::test]
async fn a_connection_is_not_used_past_the_time_its_peer_announced() {
    let upstream =
        Upstream::answering("HTTP/1.1 200 OK\r\nkeep-alive: timeout=0, max=9\r\ncontent-length: 2\r\n\r\nok").await;
    let client = upstream.client();
    text(&client, "{}").await;
    text(&client, "{}").await;
    assert_eq!(upstream.accepted(), 2);
}

#[tokio::test]
async fn a_connection_whose_peer_says_close_is_not_used_again() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
    let client = upstream.client();
    text(&client, "{}").await;
    text(&client, "{}").await;
    assert_eq!(upstream.accepted(), 2);
}

#[tokio::test]
async fn an_answer_without_content_gives_its_connection_back_unread() {
    let upstream = Upstream::answering("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await;
    let client = upstream.client();
    let first = client.send(post("{}")).await.unwrap();
    let second = client.send(post("{}")).await.unwrap();
    assert_eq!((first.status.as_u16(), second.status.as_u16(), upstream.accepted()), (202, 202, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_calls_at_once_each_get_their_own_answer() {
    let upstream = Upstream::play(|mut stream, _| async move {
        while let Some((_, body)) = read_request(&mut stream).await {
            stream.write_all(sized(&body).as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = Arc::new(upstream.client());
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..64 {
        let client = client.clone();
        calls.spawn(async move {
            for turn in 0..50 {
                let mut request = post("");
                request.body = Bytes::from(format!("{number}/{turn}"));
                let answer = client.send(request.clone()).await.unwrap();
                assert_eq!(answer.body.collect(LIMIT).await.unwrap(), request.body);
            }
        });
    }
    soon(async { while calls.join_next().await.transpose().unwrap().is_some() {} }).await;
    assert!(upstream.accepted() <= 64, "{}", upstream.accepted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_connections_are_open_than_allowed() {
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let upstream = Upstream::play(move |mut stream, _| {
        let (open, most) = (open.clone(), most.clone());
        async move {
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            while read_request(&mut stream).await.is_some() {
                stream.write_all(sized("ok").as_bytes()).await.unwrap();
            }
            open.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let mut settings = upstream.settings();
    settings.max_connections = 2;
    let client = Arc::new(Client::new(&settings, LIMIT).unwrap());
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let client = client.clone();
        calls.spawn(async move { text(&client, "{}").await });
    }
    soon(async { while calls.join_next().await.transpose().unwrap().is_some() {} }).await;
    assert!(seen.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn no_more_idle_connections_are_kept_than_allowed() {
    let together = Arc::new(Barrier::new(4));
    let upstream = Upstream::play(move |mut stream, _| {
        let together = together.clone();
        async move {
            while read_request(&mut stream).await.is_some() {
                together.wait().await;
                stream.write_all(sized("ok").as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let mut settings = upstream.settings();
    settings.max_idle_connections = 1;
    let client = Client::new(&settings, LIMIT).unwrap();
    let wave =
        || async { tokio::join!(text(&client, "1"), text(&client, "2"), text(&client, "3"), text(&client, "4")) };
    soon(Box::pin(wave())).await;
    soon(Box::pin(wave())).await;
    assert_eq!(upstream.accepted(), 4 + 3);
}

#[tokio::test]
async fn waiting_for_a_connection_in_use_ends_with_the_connect_timeout() {
    let upstream = Upstream::answering(STREAM_HEAD).await;
    let mut settings = upstream.settings();
    settings.max_connections = 1;
    settings.connect_timeout = Duration::from_millis(200);
    let client = Client::new(&settings, LIMIT).unwrap();
    let held = client.send(post("{}")).await.unwrap();
    let fault = client.send(post("{}")).await.unwrap_err();
    assert!(matches!(fault, HttpFault::Timeout { phase: Phase::Slot }) && fault.never_reached_upstream());
    drop(held);
    client.send(post("{}")).await.unwrap();
}
