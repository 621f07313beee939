//! The operator's listener from the command line: one request on one connection, by hand.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use myelin::redact::Redacted;
use serde_json::Value;

use super::failure::Failure;

/// How long each step may take: a revocation waits for an authorization server, a restart 20 s for calls and then for the server.
const PATIENCE: Duration = Duration::from_secs(60);
/// A hundred thousand connections are listed in less.
const MAX_ANSWER_BYTES: u64 = 64 << 20;
/// The head of an answer, and a refusal.
const MAX_HEAD_BYTES: u64 = 64 << 10;
/// Where the token is when no file is named.
const VARIABLE: &str = "MYELIN_ADMIN_TOKEN";

/// Which gateway, and how one is known there.
#[derive(Debug, clap::Args)]
pub(super) struct Gateway {
    /// Where the gateway's `admin` listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8809")]
    admin: SocketAddr,
    /// A file with the token that `admin.token` wants [default: the variable MYELIN_ADMIN_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Gateway {
    pub(super) fn operator(&self) -> Result<Operator, Failure> {
        Operator::new(self.admin, self.token_file.as_deref())
    }

    /// What answers there is no gateway, or not one of this version.
    pub(super) const fn no_answer(&self) -> Failure {
        Failure::NotServing(self.admin)
    }

    /// The connection broke.
    pub(super) const fn broken(&self, source: io::Error) -> Failure {
        Failure::NoHealth { admin: self.admin, source }
    }
}

/// The operator of a gateway.
pub(super) struct Operator {
    admin: SocketAddr,
    token: Option<Redacted<String>>,
}

impl Operator {
    pub(super) fn new(admin: SocketAddr, token_file: Option<&Path>) -> Result<Self, Failure> {
        let token = match token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
                Some(Redacted::new(text.trim_end_matches(['\n', '\r']).to_owned()))
            }
            None => env::var(VARIABLE).ok().map(Redacted::new),
        };
        Ok(Self { admin, token })
    }

    pub(super) fn get(&self, path: &str) -> Result<String, Failure> {
        self.ask("GET", path, "")
    }

    pub(super) fn post(&self, path: &str, content: &Value) -> Result<String, Failure> {
        self.ask("POST", path, &content.to_string())
    }

    /// An answer that comes bit by bit, for as long as it takes.
    pub(super) fn follow(&self, path: &str) -> Result<impl BufRead + use<>, Failure> {
        let broken = |source| Failure::NoHealth { admin: self.admin, source };
        // An answer to HTTP/1.0 has no chunks, and ends with its connection.
        let stream = self.send("GET", path, "HTTP/1.0", "").map_err(broken)?;
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = reader.by_ref().take(MAX_HEAD_BYTES).read_line(&mut head).map_err(broken)?;
            if read == 0 || u64::try_from(head.len()).is_ok_and(|length| length >= MAX_HEAD_BYTES) {
                return Err(Failure::NotServing(self.admin));
            }
        }
        if is_done(&head) {
            return Ok(reader);
        }
        let mut body = String::new();
        reader.take(MAX_HEAD_BYTES).read_to_string(&mut body).map_err(broken)?;
        Err(self.refused(&head, &body))
    }

    fn ask(&self, method: &str, path: &str, content: &str) -> Result<String, Failure> {
        let answer = self.exchange(method, path, content);
        let answer = answer.map_err(|source| Failure::NoHealth { admin: self.admin, source })?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if is_done(head) { Ok(body.to_owned()) } else { Err(self.refused(head, body)) }
    }

    fn refused(&self, head: &str, body: &str) -> Failure {
        let problem = serde_json::from_str::<Value>(body).ok();
        let problem = problem.and_then(|problem| Some(problem.get("error")?.as_str()?.to_owned()));
        let problem = problem.unwrap_or_else(|| head.lines().next().unwrap_or("").to_owned());
        Failure::OperatorRefused(self.admin, problem)
    }

    fn exchange(&self, method: &str, path: &str, content: &str) -> io::Result<String> {
        let mut answer = String::new();
        self.send(method, path, "HTTP/1.1", content)?.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn send(&self, method: &str, path: &str, version: &str, content: &str) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&self.admin, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut head = format!(
            "{method} {path} {version}\r\nHost: {}\r\nConnection: close\r\nX-Myelin-Admin: 1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            self.admin,
            content.len()
        );
        if let Some(token) = &self.token {
            if token.expose().contains(|letter: char| !letter.is_ascii_graphic()) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            head.push_str("Authorization: Bearer ");
            head.push_str(token.expose());
            head.push_str("\r\n");
        }
        let request = Redacted::new(format!("{head}\r\n{content}"));
        stream.write_all(request.expose().as_bytes())?;
        Ok(stream)
    }
}

fn is_done(head: &str) -> bool {
    head.split(' ').nth(1) == Some("200")
}

/// A value of a query (RFC 3986, section 2.1).
pub(super) fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
