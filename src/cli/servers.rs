//! `myelin servers`: how the servers of a running gateway are.

use std::{
    io::{self, Write},
    thread::sleep,
    time::Duration,
};

use anstream::stdout;
use serde::Deserialize;

use super::{
    exit::Code,
    failure::Failure,
    operator::{Gateway, Operator},
    terminal::{DIM, ERROR, GOOD, WARNING, count, is_read_by_a_person, plain_line, table},
};

/// How often `--watch` looks.
const ROUND: Duration = Duration::from_secs(2);
/// Clears the terminal and goes to its first line (ECMA-48).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Say how the servers of a running gateway are
///
/// It asks the gateway where its `admin` listens. Exit code 0 when all of them answer or rest, 69 when one does not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  myelin servers
  myelin servers --watch
  myelin servers files --json")]
pub(super) struct Servers {
    /// Only this one, with each of its connections
    #[arg(value_name = "SERVER")]
    server: Option<String>,
    #[command(flatten)]
    gateway: Gateway,
    /// Look again every two seconds
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Answer {
    servers: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Server {
    name: String,
    state: String,
    era: Option<String>,
    wire: String,
    target: String,
    sandboxed: bool,
    connections: Vec<Connection>,
    replicas: Vec<Replica>,
    breaker: Option<String>,
    spares: usize,
    losses: u64,
    parked: Option<u64>,
    in_flight: usize,
    queued: usize,
    restarts: u64,
    withheld: usize,
    lists_age: Option<u64>,
    last_error: Option<Problem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    pid: Option<i32>,
    age: u64,
    in_flight: usize,
    shared_by: String,
    finishing: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replica {
    address: String,
    condition: String,
    in_flight: usize,
    failures: usize,
}

#[derive(Deserialize)]
struct Problem {
    error: String,
    age: u64,
}

impl Servers {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let operator = self.gateway.operator()?;
        loop {
            let code = self.look(&operator)?;
            if !self.watch {
                return Ok(code);
            }
            sleep(ROUND);
        }
    }

    fn look(&self, operator: &Operator) -> Result<Code, Failure> {
        let text = operator.get("/api/servers")?;
        let answer: Answer = serde_json::from_str(&text).map_err(|_| self.gateway.no_answer())?;
        let named = |server: &serde_json::Value| server.get("name").and_then(|name| name.as_str()).map(str::to_owned);
        let names: Vec<String> = answer.servers.iter().filter_map(named).collect();
        let mut servers = answer.servers;
        if let Some(wanted) = &self.server {
            servers.retain(|server| named(server).as_ref() == Some(wanted));
            if servers.is_empty() {
                let near = myelin::config::nearest(wanted, names.iter().map(String::as_str));
                return Err(Failure::UnknownServer { name: wanted.clone(), near });
            }
        }
        if self.json {
            writeln!(stdout(), "{:#}", serde_json::json!({ "servers": servers }))?;
        }
        let parsed: Result<Vec<Server>, _> = servers.into_iter().map(serde_json::from_value).collect();
        let servers = parsed.map_err(|_| self.gateway.no_answer())?;
        if !self.json {
            self.print(&servers)?;
        }
        let fails = |server: &Server| matches!(server.state.as_str(), "backing_off" | "failed" | "parked");
        Ok(if servers.iter().any(fails) { Code::Unreachable } else { Code::Done })
    }

    fn print(&self, servers: &[Server]) -> Result<(), Failure> {
        let mut out = stdout().lock();
        if self.watch && is_read_by_a_person() {
            write!(out, "{CLEAR}")?;
        }
        if servers.is_empty() {
            anstream::eprintln!("there is no server");
            return Ok(());
        }
        let head = ["SERVER", "STATE", "ERA", "WIRE", "CONNECTIONS", "IN FLIGHT", "QUEUED", "RESTARTS", "LISTS"];
        write!(out, "{}", table(head, servers.iter().map(row)))?;
        for server in servers {
            server.print_troubles(&mut out)?;
        }
        if let (Some(_), [server]) = (&self.server, servers) {
            server.print_parts(&mut out)?;
        }
        Ok(())
    }
}

impl Server {
    /// What is not as it should be.
    fn print_troubles(&self, out: &mut impl Write) -> io::Result<()> {
        let name = plain_line(&self.name);
        if let Some(Problem { error, age }) = &self.last_error {
            let error = plain_line(error);
            writeln!(out, "  {ERROR}{name}{ERROR:#} {error} {DIM}({} ago){DIM:#}", span(*age))?;
        }
        if let Some(since) = self.parked {
            let since = span(since);
            writeln!(
                out,
                "  {ERROR}{name}{ERROR:#} failed too often and has been left alone for {since}; `myelin restart {name}`"
            )?;
        }
        if let Some(breaker) = self.breaker.as_deref().filter(|state| *state != "closed") {
            let breaker = plain_line(breaker).replace('_', " ");
            writeln!(out, "  {WARNING}{name}{WARNING:#} is left alone: its breaker is {breaker}")?;
        }
        for replica in self.replicas.iter().filter(|replica| replica.condition != "healthy") {
            let (address, condition) = (plain_line(&replica.address), plain_line(&replica.condition));
            writeln!(out, "  {WARNING}{name}{WARNING:#} replica {address} is {condition}")?;
        }
        if self.withheld > 0 {
            writeln!(out, "  {WARNING}{name}{WARNING:#} has {} tools or other things withheld", self.withheld)?;
        }
        Ok(())
    }

    /// What it consists of.
    fn print_parts(&self, out: &mut impl Write) -> io::Result<()> {
        let sandbox = if self.sandboxed { ", in a sandbox" } else { "" };
        writeln!(out, "\n{GOOD}{}{GOOD:#}{sandbox}", plain_line(&self.target))?;
        if self.wire == "stdio" {
            let (spares, losses) = (count(self.spares, "spare"), self.losses);
            writeln!(out, "{spares}; {losses} ended without being told to")?;
        }
        if !self.replicas.is_empty() {
            let head = ["REPLICA", "CONDITION", "IN FLIGHT", "FAILURES"];
            writeln!(out, "{}", table(head, self.replicas.iter().map(Replica::row)))?;
        }
        if !self.connections.is_empty() {
            let head = ["PID", "SHARED BY", "AGE", "IN FLIGHT"];
            write!(out, "{}", table(head, self.connections.iter().map(Connection::row)))?;
        }
        Ok(())
    }
}

impl Replica {
    fn row(&self) -> [String; 4] {
        let (in_flight, failures) = (self.in_flight.to_string(), self.failures.to_string());
        [plain_line(&self.address), plain_line(&self.condition), in_flight, failures]
    }
}

impl Connection {
    fn row(&self) -> [String; 4] {
        [
            self.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            plain_line(&self.shared_by),
            span(self.age),
            format!("{}{}", self.in_flight, if self.finishing { ", then it ends" } else { "" }),
        ]
    }
}

fn row(server: &Server) -> [String; 9] {
    [
        plain_line(&server.name),
        plain_line(&server.state.replace('_', " ")),
        server.era.as_deref().map_or_else(|| "-".to_owned(), plain_line),
        plain_line(&server.wire),
        server.connections.len().to_string(),
        server.in_flight.to_string(),
        server.queued.to_string(),
        server.restarts.to_string(),
        server.lists_age.map_or_else(|| "-".to_owned(), |age| format!("{} old", span(age))),
    ]
}

/// A time for people, in its largest unit.
pub(super) fn span(seconds: u64) -> String {
    [("d", 86_400), ("h", 3600), ("m", 60)]
        .into_iter()
        .find(|(_, size)| seconds >= *size)
        .map_or_else(|| format!("{seconds}s"), |(unit, size)| format!("{}{unit}", seconds / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_largest_unit_that_it_fills() {
        assert_eq!([span(0), span(59), span(61), span(7200), span(200_000)], ["0s", "59s", "1m", "2h", "2d"]);
    }
}
