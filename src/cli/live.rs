//! `myelin check --live`: what the servers of a configuration are, as they answer now, and the names that come of it.

use std::{sync::Arc, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use myelin::{
    config::settings::Settings,
    era::Revision,
    mcp::{Caller, Catalog, Fault, ListKind, LogInterest, UpstreamFault, exposed_name},
    route::{Index, Part, settings::EndpointSettings},
    upstream::Dialect,
};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use super::{
    failure::Failure,
    finding::Finding,
    reach::{Member, caller, is_prefixed, runtime, wire},
    terminal::{GOOD, WARNING, count, plain_line, table},
};

/// What model providers take (ADR 12).
const LONGEST: usize = 64;
/// What clients put before a tool's name, where the gateway is called as in the README.
const PREFIX_OF_CLIENTS: &str = "mcp__myelin__";
const LONGEST_WITH_PREFIX: usize = LONGEST - PREFIX_OF_CLIENTS.len();
/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// What was found.
pub(super) struct Live {
    servers: Vec<Server>,
    endpoints: Vec<Endpoint>,
}

/// One server.
struct Server {
    name: String,
    wire: String,
    member: Member,
    found: Result<Found, Fault>,
}

/// A server that answered.
struct Found {
    revision: Revision,
    /// In the order of [`ListKind::ALL`].
    lists: [Arc<Catalog>; 4],
}

/// One endpoint, with what its servers' names come to.
struct Endpoint {
    path: String,
    tools: usize,
    collisions: Vec<Collision>,
    shortened: Vec<Shortened>,
    /// Names that fit by themselves, and not with what clients put before them.
    long: Vec<String>,
}

/// Two servers want one name.
struct Collision {
    kind: &'static str,
    name: String,
    loser: String,
}

/// A name that clients would not take.
struct Shortened {
    whole: String,
    offered: String,
}

/// Starts or reaches all servers at once.
pub(super) fn look(settings: &Settings) -> Result<Live, Failure> {
    let members: Vec<Member> =
        settings.upstreams.iter().map(|upstream| Member::new(upstream, settings)).collect::<Result<_, _>>()?;
    let found = runtime()?.block_on(ask_all(&members));
    let servers: Vec<Server> = settings
        .upstreams
        .iter()
        .zip(members)
        .zip(found)
        .map(|((upstream, member), found)| Server { name: upstream.name.clone(), wire: wire(upstream), member, found })
        .collect();
    let endpoints = settings.endpoints.iter().map(|endpoint| Endpoint::new(endpoint, &servers)).collect();
    Ok(Live { servers, endpoints })
}

async fn ask_all(members: &[Member]) -> Vec<Result<Found, Fault>> {
    let screen = MultiProgress::new();
    let caller = caller(LogInterest::Off);
    let mut asking = JoinSet::new();
    for (place, member) in members.iter().enumerate() {
        let (member, caller) = (member.clone(), caller.clone());
        let spinner = screen.add(spinner(member.upstream.name()));
        asking.spawn(async move {
            let found = ask(&member, &caller).await;
            member.upstream.close().await;
            spinner.finish_and_clear();
            (place, found)
        });
    }
    let mut found = asking.join_all().await;
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, found)| found).collect()
}

/// Shown on stderr while a server is asked, if a person looks at it.
fn spinner(server: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::new_spinner().with_style(style).with_message(format!("asking {server}"));
    spinner.enable_steady_tick(TICK);
    spinner
}

async fn ask(member: &Member, caller: &Caller) -> Result<Found, Fault> {
    let group = member.upstream.group(caller).await?;
    let revision = match group.greeting().await?.dialect {
        Dialect::Modern => Revision::NEWEST_MODERN,
        Dialect::Legacy(revision) => revision,
    };
    let mut lists: [Arc<Catalog>; 4] = Default::default();
    for (kind, list) in ListKind::ALL.into_iter().zip(&mut lists) {
        *list = group.list(kind).await?.catalog.clone();
    }
    Ok(Found { revision, lists })
}

impl Live {
    /// Whether a server did not answer.
    pub(super) fn is_incomplete(&self) -> bool {
        self.servers.iter().any(|server| server.found.is_err())
    }

    /// The same for `myelin doctor`: each server, and the names that clients would not take.
    pub(super) fn findings(&self) -> Vec<Finding> {
        self.servers.iter().map(Server::finding).chain(self.endpoints.iter().flat_map(Endpoint::findings)).collect()
    }

    /// The servers in a table.
    pub(super) fn servers(&self) -> String {
        table(
            ["SERVER", "WIRE", "ERA", "TOOLS", "PROMPTS", "RESOURCES", "TEMPLATES"],
            self.servers.iter().map(Server::row),
        )
    }

    /// What is worth knowing about the names, a line each.
    pub(super) fn names(&self) -> String {
        let mut text = String::new();
        for endpoint in &self.endpoints {
            text.push_str(&format!("\n{GOOD}{}{GOOD:#} offers {}\n", endpoint.path, count(endpoint.tools, "tool")));
            for Collision { kind, name, loser } in &endpoint.collisions {
                text.push_str(&format!(
                    "  {WARNING}collision:{WARNING:#} {kind} `{}` of {loser} is hidden by another server's\n",
                    plain_line(name)
                ));
            }
            for Shortened { whole, offered } in &endpoint.shortened {
                text.push_str(&format!(
                    "  {WARNING}shortened:{WARNING:#} `{}` is offered as `{offered}`\n",
                    plain_line(whole)
                ));
            }
        }
        text
    }

    /// What was found about a server.
    pub(super) fn server_json(&self, name: &str) -> Json {
        let server = self.servers.iter().find(|server| server.name == name);
        match server.map(|server| &server.found) {
            Some(Ok(Found { revision, lists: [tools, prompts, resources, templates] })) => json!({
                "era": revision.era().name(),
                "revision": revision.name(),
                "tools": tools.entries().len(),
                "prompts": prompts.entries().len(),
                "resources": resources.entries().len(),
                "templates": templates.entries().len(),
            }),
            Some(Err(fault)) => json!({ "error": describe(fault) }),
            None => json!({}),
        }
    }

    /// What was found about an endpoint.
    pub(super) fn endpoint_json(&self, path: &str) -> Json {
        let Some(endpoint) = self.endpoints.iter().find(|endpoint| endpoint.path == path) else { return json!({}) };
        let collision = |collision: &Collision| json!({ "kind": collision.kind, "name": collision.name, "server": collision.loser });
        let shortened = |name: &Shortened| json!({ "name": name.whole, "offered": name.offered });
        json!({
            "tools": endpoint.tools,
            "collisions": endpoint.collisions.iter().map(collision).collect::<Json>(),
            "shortened": endpoint.shortened.iter().map(shortened).collect::<Json>(),
        })
    }
}

impl Server {
    fn row(&self) -> [String; 7] {
        let (era, counts) = match &self.found {
            Ok(Found { revision, lists }) => {
                let counts = lists.each_ref().map(|list| list.entries().len().to_string());
                (format!("{}, {}", revision.era().name(), revision.name()), counts)
            }
            Err(fault) => (describe(fault), std::array::from_fn(|_| "-".to_owned())),
        };
        let [tools, prompts, resources, templates] = counts;
        [self.name.clone(), self.wire.clone(), era, tools, prompts, resources, templates]
    }
}

impl Server {
    fn finding(&self) -> Finding {
        match &self.found {
            Ok(Found { revision, lists: [tools, ..] }) => {
                let tools = count(tools.entries().len(), "tool");
                Finding::good(&self.name, format!("{}, {}, with {tools}", revision.era().name(), revision.name()))
            }
            Err(Fault::Broken(_, fault @ (UpstreamFault::Unconnected | UpstreamFault::NoToken))) => Finding::warning(
                &self.name,
                fault.to_string(),
                "it is reached with a caller's own credential, and not from here",
            ),
            Err(fault) => Finding::problem(&self.name, describe(fault), advice(fault)),
        }
    }
}

/// What to do about a server that does not answer.
fn advice(fault: &Fault) -> &'static str {
    match fault {
        Fault::Broken(_, UpstreamFault::Unauthorized) => {
            "give it a credential: `headers` or `auth` (docs/credentials.md)"
        }
        Fault::Broken(_, UpstreamFault::Timeout) => "raise `startTimeout` for a server that downloads at its start",
        Fault::Broken(_, UpstreamFault::Unconfined) => "see what its sandbox lacks, above",
        Fault::Broken(_, UpstreamFault::Unavailable) => {
            "is the command installed, or the address right? the log above says more"
        }
        _ => "start its command by hand to see what it prints",
    }
}

impl Endpoint {
    fn findings(&self) -> Vec<Finding> {
        let about = format!("{}, names", self.path);
        let mut findings: Vec<Finding> = Vec::new();
        for Collision { kind, name, loser } in &self.collisions {
            let what = format!("{kind} `{name}` of {loser} is hidden by another server's");
            findings.push(Finding::warning(&about, what, "`tools.rename`, or `names: prefixed`"));
        }
        for Shortened { whole, offered } in &self.shortened {
            let what = format!("`{whole}` is longer than 64 characters and offered as `{offered}`");
            findings.push(Finding::warning(
                &about,
                what,
                "`tools.rename`, a shorter name of the server, or `names: bare`",
            ));
        }
        if !self.long.is_empty() {
            let what = format!(
                "{} longer than {LONGEST_WITH_PREFIX}: with what some clients put before it (`{PREFIX_OF_CLIENTS}`) it exceeds 64 characters: {}",
                count(self.long.len(), "name"),
                self.long.join(", ")
            );
            findings.push(Finding::warning(&about, what, "`tools.rename`, or a shorter name of the server"));
        }
        if findings.is_empty() {
            findings
                .push(Finding::good(about, format!("{}, all with names that clients take", count(self.tools, "tool"))));
        }
        findings
    }

    fn new(settings: &EndpointSettings, servers: &[Server]) -> Self {
        let behind = |name: &String| servers.iter().find(|server| server.name == *name);
        let behind: Vec<&Server> = settings.servers.iter().filter_map(behind).collect();
        let index = |place: usize, kind| Index::build(kind, &parts(&behind, place), is_prefixed(settings));
        let (tools, prompts) = (index(0, ListKind::Tools), index(1, ListKind::Prompts));
        let shortened = tools.entries().iter().filter_map(|tool| {
            let server = behind.get(tool.part)?;
            let own = renamed(server, &tool.own);
            let whole = if is_prefixed(settings) { format!("{}__{own}", server.name) } else { own };
            (whole != *tool.name).then(|| Shortened { whole, offered: exposed_name(None, &tool.name) })
        });
        let names = tools.entries().iter().map(|tool| exposed_name(None, &tool.name));
        let long = names.filter(|name| (LONGEST_WITH_PREFIX + 1..=LONGEST).contains(&name.chars().count())).collect();
        Self {
            long,
            path: settings.path.clone(),
            tools: tools.entries().len(),
            shortened: shortened.collect(),
            collisions: collisions("tool", &tools).chain(collisions("prompt", &prompts)).collect(),
        }
    }
}

fn renamed(server: &Server, own: &str) -> String {
    server.member.filter.rename(own).to_owned()
}

fn parts(servers: &[&Server], place: usize) -> Vec<Part> {
    let list = |server: &Server| server.found.as_ref().ok().and_then(|found| found.lists.get(place).cloned());
    servers.iter().map(|server| server.member.part(list(server))).collect()
}

fn collisions(kind: &'static str, index: &Index) -> impl Iterator<Item = Collision> {
    index.collisions.iter().map(move |(name, loser)| Collision {
        kind,
        name: name.to_string(),
        loser: loser.to_string(),
    })
}

fn describe(fault: &Fault) -> String {
    match fault {
        Fault::Broken(_, fault) => fault.to_string(),
        other => other.label().to_owned(),
    }
}
