use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
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
    upstream::{Restart, wire::stdio::Stderr},
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

/// One connection, of alice to mail; and what the children of mail wrote.
#[derive(Default)]
struct One(Arc<Stderr>);

impl Operator for One {
    fn connections(&self) -> Vec<crate::upstream::credential::oauth::Listed> {
        Vec::new()
    }

    fn revoke(&self, principal: String, server: String) -> Revoked {
        Box::pin(async move { (&*principal, &*server) == ("alice", "mail") })
    }

    fn servers(&self) -> Vec<ServerReport> {
        Vec::new()
    }

    fn restart(&self, server: &str, _: Restart) -> Restarting {
        let server = server.to_owned();
        Box::pin(async move {
            let report = RestartReport { server, replaced: 1, finishing: 0, started: None };
            if report.server == "mail" { Ok(report) } else { Err(NoServer { near: Some("mail".to_owned()) }) }
        })
    }

    fn log(&self, server: &str) -> Result<Log, NoServer> {
        let alive: Arc<dyn std::any::Any + Send + Sync> = self.0.clone();
        let log = Log { stderr: self.0.clone(), server: Arc::downgrade(&alive) };
        if server == "mail" { Ok(log) } else { Err(NoServer { near: None }) }
    }
}

fn api(token: Option<&str>, reached: Reached) -> Api {
    Api { operator: Arc::new(One::default()), token: token.map(Into::into), reached }
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
    let (alice, mail) = (r#"{"principal":"alice","server":"mail"}"#, r#"{"server":"mail"}"#);
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
        (None, Reached::Locally, "GET /api/servers HTTP/1.1".to_owned(), "", "403"),
        (None, Reached::Locally, format!("GET /api/servers HTTP/1.1{OWN}"), "", "200"),
        (Some(TOKEN), Reached::Locally, format!("GET /api/servers HTTP/1.1{OWN}"), "", "401"),
        (None, Reached::Locally, format!("POST /api/restart HTTP/1.1{JSON}"), mail, "403"),
        (None, Reached::Locally, format!("POST /api/restart HTTP/1.1{OWN}"), mail, "415"),
        (None, Reached::Locally, format!("POST /api/restart HTTP/1.1{OWN}{JSON}"), mail, "200"),
        (None, Reached::Locally, format!("POST /api/restart HTTP/1.1{OWN}{JSON}"), r#"{"server":"mial"}"#, "404"),
        (None, Reached::Locally, "GET /api/logs?server=mail&lines=1&follow=false HTTP/1.1".to_owned(), "", "403"),
        (None, Reached::Locally, format!("GET /api/logs?server=mail&lines=1&follow=false HTTP/1.1{OWN}"), "", "200"),
        (None, Reached::Locally, format!("GET /api/logs?server=mail&follow=false HTTP/1.1{OWN}"), "", "400"),
        (None, Reached::Locally, format!("GET /api/logs?server=mial&lines=1&follow=true HTTP/1.1{OWN}"), "", "404"),
        (None, Reached::Locally, "GET /api/connections/revoke HTTP/1.1\r\nX-Myelin-Admin: 1".to_owned(), "", "405"),
    ] {
        assert_eq!(ask(token, reached, &head, body).await, status, "{token:?} {reached:?} {head}");
    }
}

/// A listener with a ring that can be written to, and a reader of its log.
async fn reading(query: &str) -> (Arc<Stderr>, Drainer, tokio::io::Lines<tokio::io::BufReader<TcpStream>>) {
    let bound = Bound::bind(&ListenerSettings { address: "127.0.0.1:0".parse().unwrap(), tls: None }).unwrap();
    let address = bound.address();
    let (drainer, drain) = drain();
    let status = Arc::new(Fixed(Readiness { phase: Phase::Serving, problems: Vec::new() }));
    let ring = Arc::new(Stderr::default());
    ring.push(7, "first".to_owned());
    let api = Api { operator: Arc::new(One(ring.clone())), token: None, reached: Reached::Locally };
    tokio::spawn(serve(bound, status, api, drain));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /api/logs?server=mail&{query} HTTP/1.0\r\nHost: localhost\r\nX-Myelin-Admin: 1\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = tokio::io::BufReader::new(stream).lines();
    while !lines.next_line().await.unwrap().unwrap().is_empty() {}
    (ring, drainer, lines)
}

async fn json(lines: &mut tokio::io::Lines<tokio::io::BufReader<TcpStream>>) -> serde_json::Value {
    let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line()).await.unwrap().unwrap();
    serde_json::from_str(&line.unwrap()).unwrap()
}

#[tokio::test]
async fn a_log_is_followed_until_the_gateway_stops() {
    let (ring, drainer, mut lines) = reading("lines=5&follow=true").await;
    let first = json(&mut lines).await;
    assert_eq!((&first["line"], &first["pid"]), (&"first".into(), &7.into()));
    ring.push(8, "second".to_owned());
    assert_eq!(json(&mut lines).await["line"], "second");
    drainer.start(Duration::from_secs(60));
    assert_eq!(json(&mut lines).await["end"], "the gateway stops");
    assert_eq!(lines.next_line().await.unwrap(), None);
}

#[tokio::test]
async fn a_log_that_is_not_followed_ends_with_what_is_there() {
    let (_ring, _drainer, mut lines) = reading("lines=5&follow=false").await;
    assert_eq!(json(&mut lines).await["line"], "first");
    assert_eq!(json(&mut lines).await["end"], "that is all");
    assert_eq!(lines.next_line().await.unwrap(), None);
}

#[tokio::test]
async fn a_reader_who_is_too_slow_is_told_how_many_lines_are_lost() {
    let (ring, _drainer, mut lines) = reading("lines=5&follow=true").await;
    assert_eq!(json(&mut lines).await["line"], "first");
    // 1000 are kept. Written without a pause: nobody else runs meanwhile, so that the first of them make room unread.
    for number in 0..1010 {
        ring.push(7, number.to_string());
    }
    assert_eq!(json(&mut lines).await["lost"], 10);
    assert_eq!(json(&mut lines).await["line"], "10");
}
