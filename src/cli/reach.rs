//! The way to tools from a command line: a gateway or server by its URL, or the servers of a file without any gateway.

use std::{path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Uri};
use myelin::{
    app,
    config::{self, settings::Settings},
    jsonrpc::Raw,
    mcp::{Caller, Capabilities, Catalog, Fault, Level, ListKind, LogInterest, Principal, UpstreamFault},
    policy::ToolFilter,
    redact::Redacted,
    route::{
        Index, Part, owner_by_prefix,
        settings::{EndpointSettings, Names},
    },
    upstream::{
        Upstream,
        settings::{HttpSettings, UpstreamSettings, WireSettings},
    },
};
use tokio::{runtime::Runtime, task::JoinSet, time::timeout};
use tracing::instrument::WithSubscriber;

use super::{failure::Failure, terminal::plain_line};

/// Where `myelin run` listens unless told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:8808/mcp";
/// Children get this long to end after the command is done; whoever waits for the prompt would notice more.
const CLOSE: Duration = Duration::from_secs(2);
/// A command makes one call at a time, and a list beside it.
const CONNECTIONS: usize = 4;

/// What a command needs to find this endpoint.
pub(super) fn url_option(endpoint: &str) -> String {
    if endpoint == DEFAULT_URL { String::new() } else { format!(" --url {endpoint}") }
}

/// Whom a command talks to.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// The gateway or server to talk to
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL, conflicts_with = "config")]
    url: Uri,
    /// Start the servers of this file and talk to them directly
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The endpoint of the file whose names are used [default: the first one]
    #[arg(long, value_name = "PATH", requires = "config")]
    endpoint: Option<String>,
    /// A header for each request, for example 'Authorization: Bearer …'
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header, conflicts_with = "config")]
    headers: Vec<Header>,
}

/// A header; the value may be a secret.
type Header = (HeaderName, Redacted<String>);

/// Why a text is no header.
#[derive(Debug, thiserror::Error)]
enum BadHeader {
    #[error("write it as 'Name: value'")]
    NoColon,
    #[error("the part before the colon is not a header name")]
    Name,
    #[error("the value is not header text: printable ASCII on one line")]
    Value,
}

fn header(text: &str) -> Result<Header, BadHeader> {
    let (name, value) = text.split_once(':').ok_or(BadHeader::NoColon)?;
    let name = name.trim().parse().map_err(|_| BadHeader::Name)?;
    let value = value.trim();
    HeaderValue::from_str(value).map_err(|_| BadHeader::Value)?;
    Ok((name, Redacted::from(value)))
}

/// Servers within reach, joined as an endpoint joins them.
pub(super) struct Reach {
    members: Vec<Member>,
    prefixed: bool,
    /// The address, when there is no file.
    url: Option<Uri>,
}

/// One server.
#[derive(Clone)]
pub(super) struct Member {
    /// It.
    pub(super) upstream: Arc<Upstream>,
    /// Which of its tools are offered.
    pub(super) filter: Arc<ToolFilter>,
}

/// The tools of all servers that answered, and what became of the others.
pub(super) struct Listing {
    /// The joined list.
    pub(super) index: Index,
    /// Those whose part is missing.
    pub(super) missing: Vec<(Arc<str>, Fault)>,
}

impl Reach {
    /// Prepares what `target` names; nothing is started or connected yet.
    pub(super) fn new(target: &Target) -> Result<Self, Failure> {
        match &target.config {
            Some(file) => {
                let settings = config::load(file)?.settings;
                let endpoint = endpoint(&settings, target.endpoint.as_deref(), file)?;
                Self::of_endpoint(&settings, endpoint)
            }
            None => Self::of_url(&target.url, &target.headers),
        }
    }

    /// An endpoint of this program's own gateway.
    pub(super) fn of_endpoint_of_ours(endpoint: &str) -> Result<Self, Failure> {
        let url: Uri = endpoint.parse().map_err(|_| Failure::Failed(Fault::Internal))?;
        Self::of_url(&url, &[])
    }

    fn of_url(url: &Uri, headers: &[Header]) -> Result<Self, Failure> {
        let http = HttpSettings {
            headers: headers.to_vec(),
            ..HttpSettings::plain(url.clone(), Duration::from_secs(5), CONNECTIONS)
        };
        let settings = Settings::default_with(Vec::new());
        let upstream =
            UpstreamSettings { wire: WireSettings::Http(http), ..config::stdio_upstream("gateway", "", &[]) };
        let upstream = Upstream::new(upstream, settings.lists, &app::wallet(), &Arc::default(), &Arc::default())
            .map_err(|fault| Failure::Address { url: Box::new(url.clone()), fault })?;
        let members = vec![Member { upstream, filter: Arc::default() }];
        Ok(Self { members, prefixed: false, url: Some(url.clone()) })
    }

    fn of_endpoint(settings: &Settings, endpoint: &EndpointSettings) -> Result<Self, Failure> {
        let named = |name: &String| settings.upstreams.iter().find(|upstream| upstream.name == *name);
        let members = endpoint.servers.iter().filter_map(named).map(|upstream| Member::new(upstream, settings));
        Ok(Self { members: members.collect::<Result<_, _>>()?, prefixed: is_prefixed(endpoint), url: None })
    }

    /// Leaves only the server whose prefix `tool` has, if there is one: the others need not be started for a call.
    pub(super) fn narrow(&mut self, tool: &str) {
        let parts: Vec<Part> = self.members.iter().map(|member| member.part(None)).collect();
        let owner = owner_by_prefix(&parts, tool).filter(|_| self.prefixed);
        if let Some(member) = owner.and_then(|(place, _)| self.members.get(place)) {
            self.members = vec![member.clone()];
        }
    }

    /// The tools, from all servers at once.
    pub(super) async fn tools(&self, caller: &Arc<Caller>) -> Listing {
        let mut fetching = JoinSet::new();
        for (place, member) in self.members.iter().enumerate() {
            let (member, caller) = (member.clone(), caller.clone());
            let list = async move { (place, member.list(ListKind::Tools, &caller).await) };
            fetching.spawn(list.with_current_subscriber());
        }
        let mut fetched = fetching.join_all().await;
        fetched.sort_by_key(|(place, _)| *place);
        let (mut parts, mut missing) = (Vec::new(), Vec::new());
        for (member, (_, list)) in self.members.iter().zip(fetched) {
            match list {
                Ok(catalog) => parts.push(member.part(Some(catalog))),
                Err(fault) => {
                    parts.push(member.part(None));
                    missing.push((member.upstream.name().clone(), fault));
                }
            }
        }
        Listing { index: Index::build(ListKind::Tools, &parts, self.prefixed), missing }
    }

    /// The server at that place of the index.
    pub(super) fn member(&self, place: usize) -> Option<&Member> {
        self.members.get(place)
    }

    /// How many servers there are.
    pub(super) const fn len(&self) -> usize {
        self.members.len()
    }

    /// A fault of a server as a failure of the command.
    pub(super) fn failure(&self, server: &str, fault: Fault) -> Failure {
        match (fault, &self.url) {
            (Fault::Broken(_, UpstreamFault::Unavailable | UpstreamFault::Gone), Some(url)) => {
                Failure::NoGateway(Box::new(url.clone()))
            }
            (Fault::Broken(_, fault), Some(url)) => Failure::Broken { server: url.to_string(), fault },
            (Fault::Broken(_, fault), None) => Failure::Broken { server: server.to_owned(), fault },
            (Fault::Upstream(error), _) => Failure::Refused(Box::new(error)),
            (fault, _) => Failure::Failed(fault),
        }
    }

    /// Ends what was started.
    pub(super) async fn close(&self) {
        let mut closing = JoinSet::new();
        for member in &self.members {
            let upstream = member.upstream.clone();
            closing.spawn(async move { upstream.close().await });
        }
        // What is still there then ends with the guard when this process does.
        let _ = timeout(CLOSE, closing.join_all()).await;
    }
}

impl Member {
    /// A server as the file has it.
    pub(super) fn new(settings: &UpstreamSettings, all: &Settings) -> Result<Self, Failure> {
        let (tools, lists) = (&settings.tools, &all.lists);
        let filter = ToolFilter::new(&tools.allow, &tools.deny, &tools.rename);
        let upstream = Upstream::new(settings.clone(), lists.clone(), &app::wallet(), &Arc::default(), &Arc::default())
            .map_err(|fault| Failure::Client { server: settings.name.clone(), fault })?;
        upstream.pin(all.pins.lock.as_deref());
        // The configuration refuses what is no pattern.
        Ok(Self { upstream, filter: Arc::new(filter.unwrap_or_default()) })
    }

    /// Its part of a joined list.
    pub(super) fn part(&self, catalog: Option<Arc<Catalog>>) -> Part {
        Part { server: self.upstream.name().clone(), catalog, filter: self.filter.clone() }
    }

    /// One of its lists.
    pub(super) async fn list(&self, kind: ListKind, caller: &Caller) -> Result<Arc<Catalog>, Fault> {
        let group = self.upstream.group(caller).await?;
        Ok(group.list(kind).await?.catalog.clone())
    }
}

fn endpoint<'a>(
    settings: &'a Settings,
    path: Option<&str>,
    file: &std::path::Path,
) -> Result<&'a EndpointSettings, Failure> {
    let known = || settings.endpoints.iter().map(|endpoint| endpoint.path.clone()).collect();
    let wanted = |endpoint: &&EndpointSettings| path.is_none_or(|path| endpoint.path == path);
    settings.endpoints.iter().find(wanted).ok_or_else(|| Failure::NoEndpoint {
        origin: file.display().to_string(),
        path: path.unwrap_or_default().to_owned(),
        known: known(),
    })
}

/// Whether an endpoint puts the server's name before a tool's.
pub(super) fn is_prefixed(endpoint: &EndpointSettings) -> bool {
    match endpoint.names {
        Names::Auto => endpoint.servers.len() > 1,
        Names::Prefixed => true,
        Names::Bare => false,
    }
}

/// The wire in a word, and whom it leads to. Arguments and paths are left out, since either may hold a secret.
pub(super) fn wire(server: &UpstreamSettings) -> String {
    match &server.wire {
        WireSettings::Stdio(stdio) => format!("stdio {}", plain_line(&stdio.command)),
        WireSettings::Http(http) => {
            let authority = http.url.authority().map(ToString::to_string).unwrap_or_default();
            format!("http {}://{authority}", http.url.scheme_str().unwrap_or_default())
        }
    }
}

/// Who a command is to a server: somebody who can be asked to fill in a form, and nothing else.
pub(super) fn caller(log: LogInterest) -> Arc<Caller> {
    let capabilities = Capabilities::parse(&Raw::literal(r#"{"elicitation":{}}"#)).unwrap_or_else(Capabilities::none);
    Arc::new(Caller {
        principal: Principal::anonymous(),
        session: None,
        client_info: Some(myelin::era::IMPLEMENTATION),
        capabilities,
        log,
        address: None,
    })
}

/// The log messages that a person at a command wants to see.
pub(super) const LOG: LogInterest = LogInterest::AtLeast(Level::Info);

/// What runs a command that talks to servers, with the log of what goes wrong on the way.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    use std::io::IsTerminal;

    use myelin::telemetry::log::{Form, init};

    let form = if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()) {
        Form::Coloured
    } else {
        Form::Plain
    };
    init(form, "warn")?;
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
