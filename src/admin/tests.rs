use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::{
    downstream::{
        drain::{Drainer, drain},
        listener::Bound,
        settings::ListenerSettings,
    },
    telemetry::METRICS,
};

struct Fixed(Readiness);

impl Status for Fixed {
    fn ready(&self) -> Readiness {
        self.0.clone()
    }
}

#[expect(clippy::unused_async, reason = "it needs the runtime around it")]
async fn started(phase: Phase, problems: Vec<Problem>) -> (SocketAddr, Drainer) {
    let bound = Bound::bind(&ListenerSettings { address: "127.0.0.1:0".parse().unwrap(), tls: None }).unwrap();
    let address = bound.address();
    let (drainer, drain) = drain();
    tokio::spawn(serve(bound, Arc::new(Fixed(Readiness { phase, problems })), api(None, Reached::Locally), drain));
    (address, drainer)
}

async fn get(address: SocketAddr, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_process_that_lives_is_healthy_whatever_it_does() {
    let (address, _drainer) = started(Phase::Draining, Vec::new()).await;
    assert!(get(address, "/healthz", "localhost").await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn is_not_ready_while_starting_and_draining_and_says_why() {
    for (phase, word) in [(Phase::Starting, "starting"), (Phase::Draining, "draining")] {
        let (address, _drainer) = started(phase, Vec::new()).await;
        let answer = get(address, "/readyz", "localhost").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with(&format!(r#"{{"phase":"{word}","problems":[]}}"#)), "{answer}");
    }
}

#[tokio::test]
async fn a_broken_server_is_listed_and_leaves_the_gateway_ready() {
    let problem = Problem { part: Part::Server("files".to_owned()), problem: "cannot be reached".to_owned() };
    let (address, _drainer) = started(Phase::Serving, vec![problem]).await;
    let answer = get(address, "/readyz", "localhost").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let body = r#"{"phase":"serving","problems":[{"server":"files","problem":"cannot be reached"}]}"#;
    assert!(answer.ends_with(body), "{answer}");
}

#[tokio::test]
async fn serves_openmetrics() {
    METRICS.sessions.inc();
    let (address, _drainer) = started(Phase::Serving, Vec::new()).await;
    let answer = get(address, "/metrics", "localhost").await;
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{answer}"
    );
    assert!(answer.contains("\nmyelin_build_info{") && answer.ends_with("# EOF\n"), "{answer}");
}

#[tokio::test]
async fn refuses_a_foreign_host_on_loopback() {
    let (address, _drainer) = started(Phase::Serving, Vec::new()).await;
    assert!(get(address, "/metrics", "evil.example").await.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn stops_with_its_drain() {
    let (address, drainer) = started(Phase::Serving, Vec::new()).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    drainer.start(Duration::from_secs(60));
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
}

/// One connection, of alice to mail.
struct One;

impl Operator for One {
    fn connections(&self) -> Vec<crate::upstream::credential::oauth::Listed> {
        Vec::new()
    }

    fn revoke(&self, principal: String, server: String) -> Revoked {
        Box::pin(async move { (&*principal, &*server) == ("alice", "mail") })
    }
}

fn api(token: Option<&str>, reached: Reached) -> Api {
    Api { operator: Arc::new(One), token: token.map(Into::into), reached }
}

async fn ask(token: Option<&str>, reached: Reached, head: &str, body: &str) -> String {
    let bound = Bound::bind(&ListenerSettings { address: "127.0.0.1:0".parse().unwrap(), tls: None }).unwrap();
    let address = bound.address();
    let (_drainer, drain) = drain();
    let status = Arc::new(Fixed(Readiness { phase: Phase::Serving, problems: Vec::new() }));
    tokio::spawn(serve(bound, status, api(token, reached), drain));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!("{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_operator_s_request_is_none_that_a_browser_can_be_made_to_send() {
    const LIST: &str = "GET /api/connections HTTP/1.1";
    const REVOKE: &str = "POST /api/connections/revoke HTTP/1.1";
    const OWN: &str = "\r\nX-Myelin-Admin: 1";
    const JSON: &str = "\r\nContent-Type: application/json";
    const TOKEN: &str = "canary-admin-token";
    let alice = r#"{"principal":"alice","server":"mail"}"#;
    let bearer = |token: &str| format!("\r\nAuthorization: Bearer {token}");
    let evil = "\r\nOrigin: https://evil.example";
    for (token, reached, head, body, status) in [
        (None, Reached::Locally, LIST.to_owned(), "", "403"),
        (None, Reached::Locally, format!("{LIST}{OWN}"), "", "200"),
        (None, Reached::Locally, format!("{LIST}{OWN}{evil}"), "", "403"),
        (None, Reached::Remotely, format!("{LIST}{OWN}"), "", "403"),
        (Some(TOKEN), Reached::Remotely, format!("{LIST}{OWN}"), "", "401"),
        (Some(TOKEN), Reached::Locally, format!("{LIST}{OWN}{}", bearer("canary-admin-tokem")), "", "401"),
        (Some(TOKEN), Reached::Remotely, format!("{LIST}{OWN}{}", bearer(TOKEN)), "", "200"),
        (None, Reached::Locally, format!("{REVOKE}{JSON}"), alice, "403"),
        (None, Reached::Locally, format!("{REVOKE}{OWN}\r\nContent-Type: text/plain"), alice, "415"),
        (None, Reached::Locally, format!("{REVOKE}{OWN}{JSON}"), alice, "200"),
        (None, Reached::Locally, format!("{REVOKE}{OWN}{JSON}"), r#"{"principal":"bob","server":"mail"}"#, "404"),
        (None, Reached::Locally, "GET /api/connections/revoke HTTP/1.1\r\nX-Myelin-Admin: 1".to_owned(), "", "405"),
    ] {
        assert_eq!(ask(token, reached, &head, body).await, status, "{token:?} {reached:?} {head}");
    }
}
