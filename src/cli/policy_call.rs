//! A call that somebody wrote down to ask the rules about, and who makes it.

use std::{fs, net::IpAddr, path::Path, sync::Arc};

use myelin::{
    config::settings::Settings,
    jsonrpc::Raw,
    mcp::{Caller, Identity, Principal, PrincipalKind, exposed_name},
    policy::{Subject, Thing, ToolFilter},
    route::settings::EndpointSettings,
    upstream::settings::UpstreamSettings,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value as Json, json};

use super::{failure::Failure, reach::is_prefixed};

/// Who calls.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenPrincipal {
    id: String,
    #[serde(default = "token")]
    kind: String,
    issuer: Option<String>,
    client: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    claims: Map<String, Json>,
    /// `name` and `version` of the client's program.
    client_info: Option<Json>,
    /// `modern` or `legacy`.
    era: Option<String>,
    /// Where it calls from.
    address: Option<IpAddr>,
}

fn token() -> String {
    PrincipalKind::Token.name().to_owned()
}

/// A call in the words of the rules.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCall {
    method: Option<String>,
    server: Option<String>,
    endpoint: Option<String>,
    tool: Option<WrittenThing>,
    prompt: Option<WrittenThing>,
    resource: Option<WrittenResource>,
    arguments: Option<Json>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenThing {
    name: Option<String>,
    own: Option<String>,
    annotations: Option<Json>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenResource {
    uri: String,
}

/// A call to ask about.
pub(super) struct Call {
    pub(super) endpoint: String,
    pub(super) server: String,
    pub(super) about: About,
    pub(super) arguments: Option<Raw>,
    /// Whether `tools` of the server offer the tool at all.
    pub(super) offered: Offered,
}

/// Whether a server's `tools` offer something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    Yes,
    No,
}

/// What a call is about, kept.
pub(super) enum About {
    Tool { name: String, own: String, entry: Option<Raw> },
    Prompt { name: String, own: String },
    Resource(String),
    Method(String),
}

impl About {
    pub(super) fn subject(&self) -> Subject<'_> {
        match self {
            Self::Tool { name, own, entry } => Subject::Tool(Thing { name, own, entry: entry.as_ref(), version: 0 }),
            Self::Prompt { name, own } => Subject::Prompt(Thing { name, own, entry: None, version: 0 }),
            Self::Resource(uri) => Subject::Resource(uri),
            Self::Method(method) => Subject::Method(method),
        }
    }
}

/// Reads a principal.
pub(super) fn principal(path: &Path) -> Result<Caller, Failure> {
    let written: WrittenPrincipal = read(path)?;
    let kind = PrincipalKind::named(&written.kind).ok_or_else(|| Failure::WrongType {
        key: "kind".to_owned(),
        wanted: "anonymous, api_key, token, certificate or service_account",
        value: written.kind.clone(),
    })?;
    let identity = Identity {
        id: written.id.as_str().into(),
        kind,
        issuer: written.issuer.as_deref().map(Arc::from),
        client: written.client,
        groups: written.groups,
        scopes: written.scopes,
        claims: written.claims,
    };
    let session = (written.era.as_deref() == Some("legacy")).then(|| "policy".into());
    let known = caller(identity, written.client_info.as_ref().map(Raw::from_value), session);
    Ok(Caller { address: written.address, ..known })
}

/// A caller about whom no more is known.
pub(super) fn caller(identity: Identity, client_info: Option<Raw>, session: Option<Arc<str>>) -> Caller {
    Caller { session, client_info, ..Caller::of(Principal::known(identity, None)) }
}

/// Reads a call: in the words of the rules, or a JSON-RPC request as clients send it.
pub(super) fn call(path: &Path, settings: &Settings) -> Result<Call, Failure> {
    let json: Json = read(path)?;
    let written = match json.get("params") {
        Some(params) => of_request(&json, params),
        None => serde_json::from_value(json).map_err(|source| Failure::Written { path: path.to_owned(), source })?,
    };
    resolve(written, settings)
}

fn of_request(request: &Json, params: &Json) -> WrittenCall {
    let text = |from: &Json, key: &str| from.get(key).and_then(Json::as_str).map(str::to_owned);
    let method = text(request, "method").unwrap_or_default();
    let named = || Some(WrittenThing { name: text(params, "name"), own: None, annotations: None });
    let arguments = params.get("arguments").cloned();
    let call = WrittenCall { method: Some(method.clone()), ..WrittenCall::default() };
    match method.as_str() {
        "tools/call" => WrittenCall { tool: named(), arguments, ..call },
        "prompts/get" => WrittenCall { prompt: named(), arguments, ..call },
        "resources/read" => WrittenCall { resource: text(params, "uri").map(|uri| WrittenResource { uri }), ..call },
        _ => call,
    }
}

/// Finds the endpoint and the server without starting anything: by what was written, or by the name's prefix.
fn resolve(written: WrittenCall, settings: &Settings) -> Result<Call, Failure> {
    let endpoint = endpoint(written.endpoint.as_deref(), settings)?;
    let arguments = written.arguments.as_ref().map(Raw::from_value);
    let named = written.tool.as_ref().or(written.prompt.as_ref()).and_then(|thing| thing.name.as_deref());
    let server = server(written.server.as_deref(), named, endpoint, settings)?;
    let filter = ToolFilter::new(&server.tools.allow, &server.tools.deny, &server.tools.rename).unwrap_or_default();
    let prefix = is_prefixed(endpoint).then_some(server.name.as_str());
    let mut offered = Offered::Yes;
    let about = match (written.tool, written.prompt, written.resource, written.method) {
        (Some(tool), ..) => {
            let (name, own) = names(&tool, prefix, Some(server));
            if !filter.offers(&own) {
                offered = Offered::No;
            }
            let entry = tool.annotations.map(|annotations| Raw::from_value(&json!({ "annotations": annotations })));
            About::Tool { name, own, entry }
        }
        (None, Some(prompt), ..) => {
            let (name, own) = names(&prompt, prefix, None);
            About::Prompt { name, own }
        }
        (None, None, Some(resource), _) => About::Resource(resource.uri),
        (None, None, None, Some(method)) => About::Method(method),
        (None, None, None, None) => return Err(Failure::NoCall),
    };
    Ok(Call { endpoint: endpoint.path.clone(), server: server.name.clone(), about, arguments, offered })
}

fn endpoint<'s>(path: Option<&str>, settings: &'s Settings) -> Result<&'s EndpointSettings, Failure> {
    let found = match path {
        Some(path) => settings.endpoints.iter().find(|endpoint| endpoint.path == path),
        None => settings.endpoints.first(),
    };
    found.ok_or_else(|| Failure::NoEndpoint {
        origin: "the configuration".to_owned(),
        path: path.unwrap_or_default().to_owned(),
        known: settings.endpoints.iter().map(|endpoint| endpoint.path.clone()).collect(),
    })
}

fn server<'s>(
    name: Option<&str>,
    target: Option<&str>,
    endpoint: &EndpointSettings,
    settings: &'s Settings,
) -> Result<&'s UpstreamSettings, Failure> {
    let find = |name: &str| settings.upstreams.iter().find(|server| server.name == name);
    let prefixes = |server: &&String| target.is_some_and(|target| target.starts_with(&format!("{server}__")));
    let found = match (name, endpoint.servers.as_slice()) {
        (Some(name), _) => find(name).ok_or_else(|| Failure::NoServer(name.to_owned()))?,
        (None, [only]) => find(only).ok_or(Failure::WhichServer)?,
        (None, several) => several.iter().find(prefixes).and_then(|name| find(name)).ok_or(Failure::WhichServer)?,
    };
    Ok(found)
}

/// The name that clients use, and the server's own: each from the other where only one was written.
fn names(thing: &WrittenThing, prefix: Option<&str>, server: Option<&UpstreamSettings>) -> (String, String) {
    let rename = server.map(|server| &server.tools.rename);
    let renamed = |own: &str| rename.and_then(|rename| rename.get(own)).cloned().unwrap_or_else(|| own.to_owned());
    let own_of = |name: &str| {
        let bare = prefix.and_then(|prefix| name.strip_prefix(prefix)?.strip_prefix("__")).unwrap_or(name);
        let own = rename.and_then(|rename| rename.iter().find(|(_, renamed)| *renamed == bare));
        own.map_or_else(|| bare.to_owned(), |(own, _)| own.clone())
    };
    match (&thing.name, &thing.own) {
        (Some(name), own) => (name.clone(), own.clone().unwrap_or_else(|| own_of(name))),
        (None, Some(own)) => (exposed_name(prefix, &renamed(own)), own.clone()),
        (None, None) => (String::new(), String::new()),
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let text = fs::read_to_string(path).map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| Failure::Written { path: path.to_owned(), source })
}
