//! `myelin check --live`: what the servers of a configuration are, as they answer now, and the names that come of it.

use std::{sync::Arc, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use myelin::{
    config::settings::Settings,
    era::Revision,
    mcp::{Caller, Catalog, Fault, ListKind, LogInterest, exposed_name},
    route::{Index, Part, settings::EndpointSettings},
    upstream::Dialect,
};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use super::{
    failure::Failure,
    reach::{Member, caller, is_prefixed, runtime, wire},
    terminal::{GOOD, WARNING, count, plain_line, table},
};

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

impl Endpoint {
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
        Self {
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
