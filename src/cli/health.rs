//! `myelin health`: the health check of a container, where there is neither a shell nor curl.
//!
//! It asks the operator's listener once, by hand: for one GET on loopback, a client and a runtime would be most of the work.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::{exit::Code, failure::Failure, terminal::plain_line};

/// How long each step may take; less than the 30 s that Docker gives a health check, and more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(5);
/// An answer names every server that has problems, and is still much shorter.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Say whether a gateway takes calls
///
/// It asks where `admin` listens, and prints the answer: exit code 0 when calls are taken, 69 when they are not or nobody answers.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  myelin health
  myelin health 127.0.0.1:9000")]
pub(super) struct Health {
    /// Where the gateway's `admin` listens
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1:8809")]
    admin: SocketAddr,
}

impl Health {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let answer = ask(self.admin).map_err(|source| Failure::NoHealth { admin: self.admin, source })?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        writeln!(io::stdout(), "{}", plain_line(body))?;
        if head.starts_with("HTTP/1.1 200 ") { Ok(Code::Done) } else { Err(Failure::NotServing(self.admin)) }
    }
}

fn ask(admin: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}
