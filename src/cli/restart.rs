//! `myelin restart`: a server's children and connections are ended after their calls, and it is tried again.

use std::io::Write;

use serde::Deserialize;
use serde_json::json;

use super::{
    exit::Code,
    failure::Failure,
    operator::Gateway,
    terminal::{ERROR, GOOD, WARNING, count, plain_line},
};

/// End the children and connections of a server, once their calls are done
///
/// Calls that come meanwhile get new ones; those in flight go on on the old ones, and the answer waits 20 seconds for them. A server that
/// waits after failures, or was left alone after too many, is tried again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  myelin restart files
  myelin restart files --admin 127.0.0.1:9000 --token-file admin.token")]
pub(super) struct Restart {
    /// Which server, as `myelin servers` prints it
    server: String,
    /// Cut off the calls in flight
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    gateway: Gateway,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    server: String,
    replaced: usize,
    finishing: usize,
    started: Option<Started>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Started {
    Era(String),
    Error(String),
}

impl Restart {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let text = self.gateway.operator()?.post("/api/restart", &json!({ "server": self.server, "now": self.now }))?;
        let answer: Answer = serde_json::from_str(&text).map_err(|_| self.gateway.no_answer())?;
        if self.json {
            writeln!(std::io::stdout(), "{text}")?;
        } else {
            print(&answer)?;
        }
        Ok(if matches!(answer.started, Some(Started::Error(_))) { Code::Unreachable } else { Code::Done })
    }
}

fn print(answer: &Answer) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let (name, replaced) = (plain_line(&answer.server), count(answer.replaced, "connection"));
    writeln!(out, "{GOOD}{name}:{GOOD:#} {replaced} ended")?;
    if answer.finishing > 0 {
        let finishing = count(answer.finishing, "connection");
        writeln!(out, "  {WARNING}{finishing} still at work{WARNING:#}: their calls go on, and then they end")?;
    }
    match &answer.started {
        Some(Started::Era(era)) => writeln!(out, "  it answers again: {}", plain_line(era))?,
        Some(Started::Error(error)) => writeln!(out, "  {ERROR}it {}{ERROR:#}", plain_line(error))?,
        None => writeln!(out, "  the next call starts it")?,
    }
    Ok(())
}
