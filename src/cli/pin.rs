//! `myelin pin`: what changed of the servers' tools since they were approved, and approving it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use myelin::{
    config::{self, settings::Settings},
    jsonrpc::Raw,
    mcp::{Fault, ListKind, LogInterest},
    pin::{Change, Lock, Mode, Pinned, differences},
    upstream::settings::UpstreamSettings,
};
use serde_json::json;

use super::{
    exit::Code,
    failure::Failure,
    reach::{Member, caller, runtime},
    terminal::{WARNING, plain},
};

/// Compare the servers' tools with what was approved, and approve them
#[derive(Debug, clap::Args)]
pub(super) struct Pin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Diff(Diff),
    Approve(Approve),
}

/// Say what changed since it was approved
///
/// The exit code is 0 when nothing did and 1 when something did.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  myelin pin diff myelin.yaml\n  myelin pin diff myelin.yaml files/write_file")]
struct Diff {
    #[command(flatten)]
    tools: Tools,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Write what the servers offer now into the lock
///
/// Running gateways pick it up. Servers that do not answer keep what was approved of them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  myelin pin approve myelin.yaml\n  myelin pin approve myelin.yaml search files/write_file"
)]
struct Approve {
    #[command(flatten)]
    tools: Tools,
}

#[derive(Debug, clap::Args)]
struct Tools {
    /// The configuration; the lock lies beside it, unless it says otherwise
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only these servers and tools, by the server's own names [default: all]
    #[arg(value_name = "SERVER[/TOOL]")]
    only: Vec<String>,
}

/// The tools of a server.
type Listed = BTreeMap<String, Pinned>;

/// One tool that is not what was approved.
struct Differing<'a> {
    server: &'a str,
    tool: &'a str,
    before: Option<&'a Pinned>,
    after: Option<&'a Pinned>,
}

/// What was approved, what is offered, and who did not answer.
struct State {
    path: PathBuf,
    lock: Lock,
    offered: BTreeMap<String, Listed>,
    silent: Vec<(String, Fault)>,
}

impl Pin {
    pub(super) fn run(self) -> Result<Code, Failure> {
        match self.command {
            Command::Diff(diff) => diff.run(),
            Command::Approve(approve) => approve.run(),
        }
    }
}

impl Diff {
    fn run(self) -> Result<Code, Failure> {
        let state = self.tools.ask()?;
        let differing = state.differing(&self.tools.only);
        if self.json {
            let list: Vec<serde_json::Value> = differing.iter().map(Differing::to_json).collect();
            writeln!(std::io::stdout(), "{}", json!({ "tools": list }))?;
        } else {
            let mut out = anstream::stdout();
            for tool in &differing {
                tool.print(&mut out)?;
            }
            if differing.is_empty() {
                writeln!(out, "all tools are what was approved")?;
            }
        }
        Ok(state.end(if differing.is_empty() { Code::Done } else { Code::ToolFailed }))
    }
}

impl Approve {
    fn run(self) -> Result<Code, Failure> {
        let state = self.tools.ask()?;
        let differing = state.differing(&self.tools.only);
        let mut servers = state.lock.servers.clone();
        // Also a server without any tool is in the lock: what it offers later is then new.
        for server in state.offered.keys().filter(|_| self.tools.only.is_empty()) {
            servers.entry(server.clone()).or_default();
        }
        for Differing { server, tool, after, .. } in &differing {
            let tools = Arc::make_mut(servers.entry((*server).to_owned()).or_default());
            match after {
                Some(after) => drop(tools.insert((*tool).to_owned(), (*after).clone())),
                None => drop(tools.remove(*tool)),
            }
        }
        write(&state.path, &Lock { servers }.to_text())?;
        let mut out = anstream::stdout();
        for Differing { server, tool, before, after } in &differing {
            writeln!(out, "{} {}/{}", sign(before.is_some(), after.is_some()), plain(server), plain(tool))?;
        }
        writeln!(out, "{} tools approved in {}", differing.len(), state.path.display())?;
        Ok(state.end(Code::Done))
    }
}

impl Tools {
    /// Asks the servers.
    fn ask(&self) -> Result<State, Failure> {
        let settings = config::load(&self.file)?.settings;
        let named: BTreeSet<&str> = self.only.iter().map(|name| server_of(name)).collect();
        for name in &named {
            if !settings.upstreams.iter().any(|upstream| upstream.name == **name) {
                return Err(Failure::NoServer((*name).to_owned()));
            }
        }
        let asked = |upstream: &&UpstreamSettings| named.is_empty() || named.contains(&*upstream.name);
        let servers: Vec<UpstreamSettings> = settings.upstreams.iter().filter(asked).cloned().collect();
        // The lock is read here whatever the mode: approving comes before enforcing.
        let path = settings.pins.path.clone();
        let mut state = State { lock: read(&path)?, path, offered: BTreeMap::new(), silent: Vec::new() };
        runtime()?.block_on(async {
            for server in servers {
                let name = server.name.clone();
                match tools_of(&settings, server).await? {
                    Ok(listed) => drop(state.offered.insert(name, listed)),
                    Err(fault) => state.silent.push((name, fault)),
                }
            }
            Ok::<_, Failure>(())
        })?;
        Ok(state)
    }
}

impl State {
    /// The tools that are not what was approved, of the servers that answered.
    fn differing(&self, only: &[String]) -> Vec<Differing<'_>> {
        let mut differing = Vec::new();
        for (server, offered) in &self.offered {
            let approved = self.lock.servers.get(server);
            let find = |tool: &String| approved.and_then(|approved| approved.get(tool));
            let tools: BTreeSet<&String> =
                approved.iter().flat_map(|tools| tools.keys()).chain(offered.keys()).collect();
            for tool in tools.into_iter().filter(|tool| is_meant(only, server, tool)) {
                let (before, after) = (find(tool), offered.get(tool));
                if before != after {
                    differing.push(Differing { server, tool, before, after });
                }
            }
        }
        differing
    }

    /// Says who did not answer.
    fn end(&self, code: Code) -> Code {
        for (server, fault) in &self.silent {
            anstream::eprintln!("{WARNING}left out:{WARNING:#} {} ({})", plain(server), fault.label());
        }
        if self.silent.is_empty() { code } else { Code::Unreachable }
    }
}

impl Differing<'_> {
    fn changes(&self) -> Vec<Change> {
        match (self.before, self.after) {
            (Some(before), Some(after)) => differences(before, after),
            _ => Vec::new(),
        }
    }

    fn print(&self, out: &mut impl Write) -> Result<(), Failure> {
        let (before, after) = (self.before.is_some(), self.after.is_some());
        writeln!(out, "{} {}/{}", sign(before, after), plain(self.server), plain(self.tool))?;
        let is_new = self.before.is_none();
        if let (true, Some(text)) = (is_new, self.after.and_then(|after| after.definition.member("description"))) {
            writeln!(out, "    {}", shown(&text))?;
        }
        for Change { path, before, after } in self.changes() {
            writeln!(out, "  {}", plain(&path))?;
            for (sign, value) in [('-', before), ('+', after)] {
                if let Some(value) = value {
                    writeln!(out, "    {sign} {}", shown(&value))?;
                }
            }
        }
        Ok(())
    }

    fn to_json(&self) -> serde_json::Value {
        let value = |raw: Option<Raw>| raw.map(|raw| serde_json::from_str::<serde_json::Value>(raw.as_str()).ok());
        let changes = self
            .changes()
            .into_iter()
            .map(|change| json!({ "path": change.path, "before": value(change.before), "after": value(change.after) }));
        json!({
            "server": self.server,
            "tool": self.tool,
            "before": self.before.map(Pinned::sha256),
            "after": self.after.map(Pinned::sha256),
            "changes": changes.collect::<Vec<_>>(),
        })
    }
}

const fn sign(before: bool, after: bool) -> &'static str {
    match (before, after) {
        (false, _) => "+",
        (true, false) => "-",
        (true, true) => "~",
    }
}

/// Text as it is, anything else as JSON; with nothing in it that a terminal obeys.
fn shown(value: &Raw) -> String {
    plain(&value.text().map_or_else(|| value.as_str().to_owned(), std::borrow::Cow::into_owned)).to_string()
}

fn server_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(server, _)| server)
}

/// Whether somebody named this tool, or its server, or nothing at all.
fn is_meant(only: &[String], server: &str, tool: &str) -> bool {
    only.is_empty()
        || only.iter().any(|name| match name.split_once('/') {
            Some((one, other)) => one == server && other == tool,
            None => name == server,
        })
}

/// All that a server lists, approved or not.
async fn tools_of(settings: &Settings, server: UpstreamSettings) -> Result<Result<Listed, Fault>, Failure> {
    let server = UpstreamSettings { pin: Mode::Off, ..server };
    let member = Member::new(&server, settings)?;
    let listed = member.list(ListKind::Tools, &caller(LogInterest::Off)).await;
    member.upstream.close().await;
    Ok(listed.map(|catalog| {
        let tools = catalog.entries().iter().map(|entry| (entry.key.to_string(), Pinned::of(&entry.raw)));
        tools.collect()
    }))
}

fn read(path: &Path) -> Result<Lock, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Lock::parse(&text).map_err(|fault| Failure::Lock { path: path.to_owned(), fault }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Lock::default()),
        Err(source) => Err(Failure::Unreadable { path: path.to_owned(), source }),
    }
}

/// Whole or not at all: a running gateway reads it at any time.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|source| Failure::Unwritable { path: path.to_owned(), source })
}
