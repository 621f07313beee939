//! From Services to servers: what each may say about itself, and which of two that want one name has it.

use std::collections::{BTreeMap, BTreeSet};

use http::Uri;

use crate::{
    names::{NameFault, check_server, nearest},
    upstream::settings::{EraHint, HttpSettings, HttpTransport, UpstreamSettings, WireSettings},
};

use super::{
    service::{Kind, MAX_VALUE, PREFIX, Port, Service, ServiceId},
    settings::{OfferSettings, Template},
};

/// The annotations, without their prefix. There is no other.
const KNOWN: [&str; 8] = ["name", "port", "path", "scheme", "era", "transport", "template", "endpoints"];
/// Endpoints that one Service may name.
const MAX_ENDPOINTS: usize = 16;
/// Where a server is that says nothing else: what every client tries first.
const DEFAULT_PATH: &str = "/mcp";

/// What Services make.
#[derive(Debug, Default)]
pub struct Offers {
    /// The servers, by name.
    pub servers: Vec<Offered>,
    /// The Services that make none.
    pub left_out: Vec<LeftOut>,
}

/// A server that was found.
#[derive(Debug)]
pub struct Offered {
    /// The Service that it is.
    pub service: ServiceId,
    /// What holds for it.
    pub settings: UpstreamSettings,
    /// The endpoints that it stands behind.
    pub endpoints: Vec<String>,
}

/// A Service that is no server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub service: ServiceId,
    /// Why.
    pub fault: OfferFault,
}

/// Why a Service is no server. All but the last two are its author's to put right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferFault {
    /// An annotation that means nothing.
    #[error("`{PREFIX}{key}` is no annotation{}", did_you_mean(.near.as_deref()))]
    Unknown {
        /// What it is called, without the prefix.
        key: String,
        /// What it is called that was meant.
        near: Option<String>,
    },
    /// An annotation that says nothing that it may.
    #[error("`{PREFIX}{key}` must be {wanted}")]
    Value {
        /// Which.
        key: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// No name for a server.
    #[error("its name is none for a server, give it another with `{PREFIX}name`: {0}")]
    Name(#[source] NameFault),
    /// There is no such template.
    #[error("`{PREFIX}template` names no template of `discovery`{}", did_you_mean(.near.as_deref()))]
    NoTemplate {
        /// One that may be meant.
        near: Option<String>,
    },
    /// The template is not for its namespace.
    #[error("`{PREFIX}template` names a template that is not for this namespace")]
    NotItsTemplate,
    /// The endpoint is not there, or not for Services.
    #[error("`{PREFIX}endpoints` names an endpoint that `discovery` does not offer{}", did_you_mean(.near.as_deref()))]
    NoEndpoint {
        /// One that may be meant.
        near: Option<String>,
    },
    /// None of several ports is called so that it must be the one.
    #[error("it has several ports or none, and none called `mcp`, `http` or `https`: say which with `{PREFIX}port`")]
    WhichPort,
    /// Its name may lead anywhere.
    #[error("it is of type ExternalName, which leads out of the cluster: name such a server in the configuration")]
    External,
    /// It has no address yet.
    #[error("it has no address")]
    NoAddress,
    /// Another server is called so.
    #[error("another server has its name, give it another with `{PREFIX}name`")]
    NameTaken,
    /// There are too many.
    #[error("there are {limit} servers already: `discovery.kubernetes.maxServers`")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// The servers that `services` are. Of two that want one name the configuration's has it, then the older one: nobody takes a name by
/// coming later.
pub fn offers(rules: &OfferSettings, services: &[Service], configured: &BTreeSet<&str>) -> Offers {
    let mut offers = Offers::default();
    let mut taken: BTreeSet<String> = configured.iter().map(|name| (*name).to_owned()).collect();
    let mut by_age: Vec<&Service> = services.iter().collect();
    by_age.sort_by_key(|service| (&service.created, &service.id));
    for service in by_age {
        let offered = read(rules, service).and_then(|offered| {
            if offers.servers.len() >= rules.max_servers {
                return Err(OfferFault::TooMany { limit: rules.max_servers });
            }
            if !taken.insert(offered.settings.name.clone()) {
                return Err(OfferFault::NameTaken);
            }
            Ok(offered)
        });
        match offered {
            Ok(offered) => offers.servers.push(offered),
            Err(fault) => offers.left_out.push(LeftOut { service: service.id.clone(), fault }),
        }
    }
    offers.servers.sort_by(|a, b| a.settings.name.cmp(&b.settings.name));
    offers
}

fn read(rules: &OfferSettings, service: &Service) -> Result<Offered, OfferFault> {
    if let Some(key) = service.annotations.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        let near = nearest(key, KNOWN).map(|near| format!("{PREFIX}{near}"));
        return Err(OfferFault::Unknown { key: key.chars().take(63).collect(), near });
    }
    if service.kind == Kind::External {
        return Err(OfferFault::External);
    }
    let said = Said(&service.annotations);
    let name = said.of("name").unwrap_or(&service.id.name);
    check_server(name).map_err(OfferFault::Name)?;
    let template = template(rules, service, said.of("template"))?;
    let settings = UpstreamSettings {
        name: name.to_owned(),
        era: said.word("era", &ERAS, "`auto`, `modern` or `legacy`")?.unwrap_or(template.era),
        ..template.clone()
    };
    let settings = settings.at(&place(service, said)?);
    Ok(Offered {
        service: service.id.clone(),
        settings: reached(settings, rules, service, said)?,
        endpoints: endpoints(rules, said.of("endpoints"))?,
    })
}

/// What the annotations say.
#[derive(Clone, Copy)]
struct Said<'a>(&'a BTreeMap<String, String>);

impl<'a> Said<'a> {
    fn of(self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|value| value.trim())
    }

    fn word<T: Copy>(
        self,
        key: &'static str,
        words: &[(&str, T)],
        wanted: &'static str,
    ) -> Result<Option<T>, OfferFault> {
        let Some(said) = self.of(key) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == said).map(|(_, meant)| *meant);
        found.map(Some).ok_or(OfferFault::Value { key, wanted })
    }
}

const ERAS: [(&str, EraHint); 3] = [("auto", EraHint::Probe), ("modern", EraHint::Modern), ("legacy", EraHint::Legacy)];
const SCHEMES: [(&str, &str); 2] = [("http", "http"), ("https", "https")];
const TRANSPORTS: [(&str, HttpTransport); 2] = [("http", HttpTransport::Detect), ("sse", HttpTransport::Sse)];

fn template<'a>(
    rules: &'a OfferSettings,
    service: &Service,
    name: Option<&str>,
) -> Result<&'a UpstreamSettings, OfferFault> {
    let Some(name) = name else { return Ok(&rules.plain) };
    let Some(Template { settings, namespaces }) = rules.templates.get(name) else {
        return Err(OfferFault::NoTemplate { near: nearest(name, rules.templates.keys().map(String::as_str)) });
    };
    if !namespaces.is_empty() && !namespaces.contains(&service.id.namespace) {
        return Err(OfferFault::NotItsTemplate);
    }
    Ok(settings)
}

/// Where it is. The host is the Service's own name, which is what its certificate says and what it expects to be called.
///
/// Source: Kubernetes, DNS for Services and Pods.
fn place(service: &Service, said: Said<'_>) -> Result<Uri, OfferFault> {
    const PATH: OfferFault = OfferFault::Value { key: "path", wanted: "a path such as `/mcp`, without a query" };
    let port = port(service, said.of("port"))?;
    let is_secure = [port.app_protocol.as_str(), port.name.as_str()].contains(&"https");
    let usual = if is_secure { "https" } else { "http" };
    let scheme = said.word("scheme", &SCHEMES, "`http` or `https`")?.unwrap_or(usual);
    let path = said.of("path").unwrap_or(DEFAULT_PATH);
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\' | '%');
    if !path.starts_with('/') || path.starts_with("//") || path.len() > MAX_VALUE || !path.chars().all(allowed) {
        return Err(PATH);
    }
    let ServiceId { namespace, name } = &service.id;
    format!("{scheme}://{name}.{namespace}.svc:{}{path}", port.number).parse().map_err(|_| PATH)
}

/// The port that it names, by number or name; else its only one, or the one that is called so that it must be meant.
fn port<'a>(service: &'a Service, said: Option<&str>) -> Result<&'a Port, OfferFault> {
    let mut ports = service.ports.iter().filter(|port| matches!(port.protocol.as_str(), "" | "TCP"));
    match said {
        Some(said) => {
            let number = said.parse().ok();
            ports
                .find(|port| number == Some(port.number) || (!said.is_empty() && port.name == said))
                .ok_or(OfferFault::Value { key: "port", wanted: "the number or the name of a TCP port of the Service" })
        }
        None => {
            let ports: Vec<&Port> = ports.collect();
            let called = |name: &str| ports.iter().copied().find(|port| port.name == name);
            let only = if let [only] = ports.as_slice() { Some(*only) } else { None };
            let meant = only.or_else(|| ["mcp", "http", "https"].into_iter().find_map(called));
            meant.ok_or(OfferFault::WhichPort)
        }
    }
}

/// How it is reached: at its address in the cluster, so that no name need be looked up, or at those of its pods.
fn reached(
    mut settings: UpstreamSettings,
    rules: &OfferSettings,
    service: &Service,
    said: Said<'_>,
) -> Result<UpstreamSettings, OfferFault> {
    let transport = said.word("transport", &TRANSPORTS, "`http` or `sse`")?;
    let WireSettings::Http(http) = &mut settings.wire else { return Ok(settings) };
    let (address, resolve) = match (service.kind, service.address) {
        (Kind::Headless, _) => (None, http.resolve.or(Some(rules.resolve))),
        (_, Some(address)) => (Some(address), None),
        (_, None) => return Err(OfferFault::NoAddress),
    };
    *http = HttpSettings { transport: transport.unwrap_or(http.transport), address, resolve, ..http.clone() };
    Ok(settings)
}

fn endpoints(rules: &OfferSettings, said: Option<&str>) -> Result<Vec<String>, OfferFault> {
    const WANTED: OfferFault = OfferFault::Value { key: "endpoints", wanted: "paths of endpoints with commas between" };
    let Some(said) = said else { return Ok(rules.endpoints.first().cloned().into_iter().collect()) };
    if said.len() > MAX_VALUE {
        return Err(WANTED);
    }
    let mut named: Vec<String> = Vec::new();
    for path in said.split(',').map(str::trim) {
        if named.len() >= MAX_ENDPOINTS {
            return Err(WANTED);
        }
        if !rules.endpoints.iter().any(|known| known == path) {
            let known = rules.endpoints.iter().map(String::as_str);
            return Err(OfferFault::NoEndpoint { near: nearest(path, known) });
        }
        if !named.iter().any(|known| known == path) {
            named.push(path.to_owned());
        }
    }
    Ok(named)
}
