//! `myelin logs`: what a server's children wrote to stderr.

use std::io::{BufRead, Write};

use serde::Deserialize;

use super::{
    exit::Code,
    failure::Failure,
    operator::{Gateway, encoded},
    terminal::{DIM, WARNING, is_read_by_a_person, plain},
};

/// Print what the programs of a server wrote to stderr
///
/// The gateway keeps the last 1000 lines of each server. With -f it goes on until Ctrl-C, or until the gateway stops or the server is
/// changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  myelin logs files
  myelin logs files -f --lines 20")]
pub(super) struct Logs {
    /// Which server, as `myelin servers` prints it
    server: String,
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines to begin with
    #[arg(long, value_name = "N", default_value_t = 100)]
    lines: usize,
    #[command(flatten)]
    gateway: Gateway,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Written { at: u64, pid: i32, line: String },
    Lost { lost: u64 },
    End { end: String },
}

impl Logs {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let path = format!("/api/logs?server={}&lines={}&follow={}", encoded(&self.server), self.lines, self.follow);
        let answer = self.gateway.operator()?.follow(&path)?;
        let mut ended = false;
        for text in answer.lines() {
            let text = text.map_err(|source| self.gateway.broken(source))?;
            // An empty line only says that the gateway is there.
            if text.is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(&text).map_err(|_| self.gateway.no_answer())?;
            ended = matches!(line, Line::End { .. });
            self.print(&text, &line)?;
        }
        // A stream without its last line was cut.
        if ended { Ok(Code::Done) } else { Err(self.gateway.no_answer()) }
    }

    fn print(&self, text: &str, line: &Line) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        match line {
            Line::End { end } if self.follow => anstream::eprintln!("{DIM}{}{DIM:#}", plain(end)),
            Line::End { .. } => {}
            _ if self.json => writeln!(out, "{text}")?,
            Line::Written { at, pid, line } if is_read_by_a_person() => {
                writeln!(out, "{DIM}{} {pid}{DIM:#} {}", time(*at), plain(line))?;
            }
            Line::Written { at, pid, line } => writeln!(out, "{} {pid} {}", time(*at), plain(line))?,
            Line::Lost { lost } => {
                anstream::eprintln!(
                    "{WARNING}{lost} lines are missing:{WARNING:#} they came faster than they were read"
                );
            }
        }
        // Whoever follows wants to see it now.
        out.flush()?;
        Ok(())
    }
}

/// The time of a day (UTC), to the millisecond.
fn time(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (year, month, day) = myelin::clock::date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let rest = milliseconds % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z")
}
