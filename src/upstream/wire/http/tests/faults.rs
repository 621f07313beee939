//! What breaks, and what may be done about it.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::{
    super::{Client, ClientFault, HttpFault, Outgoing, Phase, Violation},
    stage::{LIMIT, Upstream, chunk, post, read_request, settings, sized, soon},
};

async fn fault_of(answer: String) -> HttpFault {
    let upstream = Upstream::play(move |mut stream, _| {
        let answer = answer.clone();
        async move {
            read_request(&mut stream).await.unwrap();
            // The client may be gone before the last byte.
            let _written = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let client = upstream.client();
    let answered = soon(client.send(post("{}"))).await;
    match answered {
        Ok(answer) => soon(answer.body.collect(LIMIT)).await.unwrap_err(),
        Err(fault) => fault,
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_and_refused_one_byte_past_it() {
    let streamed = |size: usize| {
        let body = String::from_utf8(chunk("x".repeat(size / 2).as_bytes())).unwrap();
        let rest = String::from_utf8(chunk("y".repeat(size - size / 2).as_bytes())).unwrap();
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}{rest}0\r\n\r\n")
    };
    for answer in [sized(&"x".repeat(LIMIT)), streamed(LIMIT)] {
        let upstream = Upstream::answering(answer.leak()).await;
        let body = upstream.client().send(post("{}")).await.unwrap().body;
        assert_eq!(body.collect(LIMIT).await.unwrap().len(), LIMIT);
    }
    for answer in [sized(&"x".repeat(LIMIT + 1)), streamed(LIMIT + 1)] {
        assert!(matches!(fault_of(answer).await, HttpFault::TooLarge { limit: LIMIT }));
    }
}

#[tokio::test]
async fn a_refused_connection_never_reached_the_upstream() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = Client::new(&settings(&format!("http://{address}/mcp")), LIMIT).unwrap();
    let fault = client.send(post("{}")).await.unwrap_err();
    assert!(matches!(fault, HttpFault::Connect(_)) && fault.never_reached_upstream(), "{fault:?}");
}

#[tokio::test]
async fn a_connection_lost_after_sending_may_have_reached_it() {
    let fault = fault_of(String::new()).await;
    assert!(matches!(fault, HttpFault::Reset(_)) && !fault.never_reached_upstream(), "{fault:?}");
}

#[tokio::test]
async fn an_answer_cut_off_is_a_reset() {
    let fault = fault_of("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_owned()).await;
    assert!(matches!(fault, HttpFault::Reset(_)), "{fault:?}");
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_fault() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(128 * 1024));
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_owned();
    for answer in ["SSH-2.0-OpenSSH_9.2\r\n".to_owned(), long, chunk] {
        let fault = fault_of(answer).await;
        assert!(matches!(fault, HttpFault::Protocol(Violation::Syntax(_))), "{fault:?}");
    }
}

#[tokio::test]
async fn an_encoded_answer_is_refused_and_an_identical_one_is_not() {
    let fault = fault_of("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx".to_owned()).await;
    assert!(matches!(fault, HttpFault::Protocol(Violation::Encoded)));
    let upstream =
        Upstream::answering("HTTP/1.1 200 OK\r\ncontent-encoding: Identity\r\ncontent-length: 1\r\n\r\nx").await;
    upstream.client().send(post("{}")).await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_not_followed() {
    let upstream = Upstream::answering("HTTP/1.1 307 T\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n").await;
    let answer = upstream.client().send(post("{}")).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["location"], upstream.accepted()),
        (307, &"/other".parse().unwrap(), 1)
    );
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let answer = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let upstream = Upstream::answering(answer).await;
    assert_eq!(upstream.client().send(post("{}")).await.unwrap().status, 200);
}

#[tokio::test]
async fn nothing_is_sent_to_another_origin() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = upstream.client();
    let to = |target: String| Outgoing { target: Some(target.parse().unwrap()), ..post("{}") };
    let fault = client.send(to("http://127.0.0.1:1/mcp".to_owned())).await.unwrap_err();
    assert!(matches!(fault, HttpFault::Protocol(Violation::OtherOrigin)) && fault.never_reached_upstream());
    client.send(to(format!("http://{}/messages?s=1", upstream.address))).await.unwrap();
    client.send(to("/messages?s=1".to_owned())).await.unwrap();
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_ends_with_the_connect_timeout() {
    let upstream = Upstream::play(|stream, _| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let mut settings = settings(&format!("https://{}/mcp", upstream.address));
    settings.connect_timeout = Duration::from_millis(200);
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem()).unwrap();
    settings.ca = Some(ca);
    let fault = soon(Client::new(&settings, LIMIT).unwrap().send(post("{}"))).await.unwrap_err();
    assert!(matches!(fault, HttpFault::Timeout { phase: Phase::Tls }) && fault.never_reached_upstream());
}

#[test]
fn settings_that_make_no_client_are_refused_with_the_reason() {
    let client = |url: &str, ca: Option<&str>| {
        let mut settings = settings(url);
        settings.ca = ca.map(Into::into);
        Client::new(&settings, LIMIT).unwrap_err()
    };
    assert!(matches!(client("ws://a/", None), ClientFault::Scheme));
    assert!(matches!(client("http://user:secret@a/", None), ClientFault::Credentials));
    assert!(matches!(client("https://a_b!/", Some("/nowhere")), ClientFault::Host));
    assert!(matches!(client("https://a/", Some("/nowhere")), ClientFault::Authority(_)));
}
