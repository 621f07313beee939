//! The operator's listener from the command line: one request on one connection, by hand.

use std::{
    env,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use myelin::redact::Redacted;
use serde_json::Value;

use super::failure::Failure;

/// How long each step may take: a revocation waits for an authorization server.
const PATIENCE: Duration = Duration::from_secs(30);
/// A hundred thousand connections are listed in less.
const MAX_ANSWER_BYTES: u64 = 64 << 20;
/// Where the token is when no file is named.
const VARIABLE: &str = "MYELIN_ADMIN_TOKEN";

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

    fn ask(&self, method: &str, path: &str, content: &str) -> Result<String, Failure> {
        let answer = self.exchange(method, path, content);
        let answer = answer.map_err(|source| Failure::NoHealth { admin: self.admin, source })?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if head.starts_with("HTTP/1.1 200 ") {
            return Ok(body.to_owned());
        }
        let problem = serde_json::from_str::<Value>(body).ok();
        let problem = problem.and_then(|problem| Some(problem.get("error")?.as_str()?.to_owned()));
        Err(Failure::OperatorRefused(
            self.admin,
            problem.unwrap_or_else(|| head.lines().next().unwrap_or("").to_owned()),
        ))
    }

    fn exchange(&self, method: &str, path: &str, content: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.admin, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nX-Myelin-Admin: 1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
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
        let mut answer = String::new();
        stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
        Ok(answer)
    }
}
