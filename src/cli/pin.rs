//! `myelin pin`: what changed of the servers' tools, prompts, resources and instructions since they were approved, and approving it.

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
    pin::{Approved, Change, Kind, Lock, Mode, Pinned, differences},
    upstream::settings::UpstreamSettings,
};
use serde_json::json;

use super::{
    exit::Code,
    failure::Failure,
    reach::{Member, caller, runtime},
    terminal::{WARNING, count, plain},
};

/// Compare what the servers offer and say with what was approved, and approve it
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
/// Tools are named as they are, the rest `prompt:NAME`, `resource:URI`, `template:URI` and `instructions`. The exit code is 0 when
/// nothing changed and 1 when something did.
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
    /// Only these servers, or tools (or `prompt:NAME` and so on) of them, by the server's own names [default: all]
    #[arg(value_name = "SERVER[/TOOL]")]
    only: Vec<String>,
}

/// One thing that is not what was approved.
struct Differing<'a> {
    server: &'a str,
    kind: Kind,
    name: &'a str,
    before: Option<&'a Pinned>,
    after: Option<&'a Pinned>,
}

/// What was approved, what is offered, and who did not answer.
struct State {
    path: PathBuf,
    lock: Lock,
    offered: BTreeMap<String, Approved>,
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
            writeln!(std::io::stdout(), "{}", json!({ "differences": list }))?;
        } else {
            let mut out = anstream::stdout();
            for tool in &differing {
                tool.print(&mut out)?;
            }
            if differing.is_empty() {
                writeln!(out, "all is what was approved")?;
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
        for Differing { server, kind, name, after, .. } in &differing {
            let things = Arc::make_mut(servers.entry((*server).to_owned()).or_default());
            let key = (*kind, (*name).to_owned());
            match after {
                Some(after) => drop(things.insert(key, (*after).clone())),
                None => drop(things.remove(&key)),
            }
        }
        write(&state.path, &Lock { servers }.to_text())?;
        let mut out = anstream::stdout();
        for thing in &differing {
            writeln!(out, "{}", thing.title())?;
        }
        writeln!(out, "{} approved in {}", count(differing.len(), "change"), state.path.display())?;
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
                match things_of(&settings, server).await? {
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
    /// What is not what was approved, of the servers that answered.
    fn differing(&self, only: &[String]) -> Vec<Differing<'_>> {
        let mut differing = Vec::new();
        for (server, offered) in &self.offered {
            let approved = self.lock.servers.get(server);
            let keys: BTreeSet<&(Kind, String)> =
                approved.iter().flat_map(|things| things.keys()).chain(offered.keys()).collect();
            for key in keys.into_iter().filter(|(kind, name)| is_meant(only, server, &kind.label(name))) {
                let (before, after) = (approved.and_then(|approved| approved.get(key)), offered.get(key));
                if before != after {
                    differing.push(Differing { server, kind: key.0, name: &key.1, before, after });
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

    /// What happened to what.
    fn title(&self) -> String {
        let sign = sign(self.before.is_some(), self.after.is_some());
        format!("{sign} {}/{}", plain(self.server), plain(&self.kind.label(self.name)))
    }

    fn print(&self, out: &mut impl Write) -> Result<(), Failure> {
        writeln!(out, "{}", self.title())?;
        let is_new = self.before.is_none();
        let text = |after: &Pinned| match self.kind {
            Kind::Instructions => Some(after.definition.clone()),
            _ => after.definition.member("description"),
        };
        if let (true, Some(text)) = (is_new, self.after.and_then(text)) {
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
            "kind": self.kind.name(),
            "name": self.name,
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

/// Whether somebody named this thing, or its server, or nothing at all.
fn is_meant(only: &[String], server: &str, label: &str) -> bool {
    only.is_empty()
        || only.iter().any(|name| match name.split_once('/') {
            Some((one, other)) => one == server && other == label,
            None => name == server,
        })
}

/// All that a server lists and says, approved or not.
async fn things_of(settings: &Settings, server: UpstreamSettings) -> Result<Result<Approved, Fault>, Failure> {
    let server = UpstreamSettings { pin: Mode::Off, ..server };
    let member = Member::new(&server, settings)?;
    let things = listed(&member).await;
    member.upstream.close().await;
    Ok(things)
}

async fn listed(member: &Member) -> Result<Approved, Fault> {
    let caller = caller(LogInterest::Off);
    let mut things = Approved::new();
    for list in ListKind::ALL {
        let (catalog, kind) = (member.list(list, &caller).await?, Kind::of(list));
        let entries = catalog.entries().iter();
        things.extend(entries.map(|entry| ((kind, entry.key.to_string()), Pinned::of(kind, &entry.raw))));
    }
    let greeting = member.upstream.group(&caller).await?.greeting().await?;
    if let Some(text) = &greeting.offer.instructions {
        let kind = Kind::Instructions;
        things.insert((kind, String::new()), Pinned::of(kind, &Raw::string(text)));
    }
    Ok(things)
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
