//! How a server is reached: `command` and what belongs to it, or `url` and what belongs to it.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, HeaderValue, Uri, header};

use super::{found::section, replicas, sandbox};
use crate::{
    config::{
        keys::{ServerKeys, ServerOptions},
        place::{Found, Place},
        problem::{ProblemKind, Remark},
        shape::Reader,
        shapes::WireWord,
    },
    redact::Redacted,
    upstream::settings::{HttpSettings, HttpTransport, StdioSettings, WireSettings},
};

/// Headers that the gateway sets for each request. Clients' files often carry the first two.
const OWN_HEADERS: [HeaderName; 6] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    HeaderName::from_static("mcp-session-id"),
];

pub(super) fn settings(
    found: &Found<ServerKeys>,
    options: &ServerOptions,
    reader: &mut Reader<'_>,
) -> Option<WireSettings> {
    let Found { value: keys, place } = found;
    let word = keys.wire.as_ref().map(|found| found.value);
    let urls = replicas::urls(keys, reader)?;
    match (&keys.command, urls.first(), word) {
        (Some(_), Some(url), _) => reader.report(&url.place, ProblemKind::TwoWires),
        (None, None, _) if reader.reported(place, "command") || reader.reported(place, "url") => {}
        (None, None, _) => reader.report(place, ProblemKind::NoWire),
        (None, Some(_), Some(WireWord::Stdio)) => report_type(keys, "stdio", "command", reader),
        (Some(_), None, Some(WireWord::Http)) => report_type(keys, "http", "url", reader),
        (Some(_), None, Some(WireWord::Sse)) => report_type(keys, "sse", "url", reader),
        (Some(command), None, _) => return stdio(command, keys, options, reader).map(WireSettings::Stdio),
        (None, Some(url), word) => {
            let transport = if word == Some(WireWord::Sse) { HttpTransport::Sse } else { HttpTransport::Detect };
            return http((url, &urls), transport, keys, options, reader).map(WireSettings::Http);
        }
    }
    None
}

fn report_type(keys: &ServerKeys, kind: &'static str, needed: &'static str, reader: &mut Reader<'_>) {
    if let Some(wire) = &keys.wire {
        reader.report(&wire.place, ProblemKind::TypeNeeds { kind, needed });
    }
}

fn stdio(
    command: &Found<String>,
    keys: &ServerKeys,
    options: &ServerOptions,
    reader: &mut Reader<'_>,
) -> Option<StdioSettings> {
    let foreign = [
        keys.headers.as_ref().filter(|headers| !headers.value.is_empty()).map(|found| &found.place),
        keys.options.ca.as_ref().map(|found| &found.place),
        keys.options.connect_timeout.as_ref().map(|found| &found.place),
        keys.options.max_idle_connections.as_ref().map(|found| &found.place),
        keys.options.max_connections.as_ref().map(|found| &found.place),
        keys.options.tls.as_ref().map(|found| &found.place),
        keys.options.resolve.as_ref().map(|found| &found.place),
        keys.options.first_byte_timeout.as_ref().map(|found| &found.place),
        keys.options.health.as_ref().map(|found| &found.place),
        keys.options.ejection.as_ref().map(|found| &found.place),
        keys.options.breaker.as_ref().map(|found| &found.place),
    ];
    report_foreign(foreign, "url", reader);
    if command.value.trim().is_empty() {
        reader.report(&command.place, ProblemKind::NoWire);
        return None;
    }
    let args = section(keys.args.clone());
    for text in args.iter().chain([command]).filter(|text| text.value.contains('\0')) {
        reader.report(&text.place, ProblemKind::Nul);
    }
    Some(StdioSettings {
        command: command.value.clone(),
        args: args.into_iter().map(|arg| arg.value).collect(),
        env: variables(section(keys.env.clone()), reader),
        cwd: keys.cwd.as_ref().map(|found| found.value.clone()),
        sandbox: sandbox::settings(keys, options, reader).map(Box::new),
    })
}

/// Keys that a reader of the file would think to have an effect. An empty `env` beside a `url` is what generators write.
fn report_foreign<'a>(
    places: impl IntoIterator<Item = Option<&'a Place>>,
    beside: &'static str,
    reader: &mut Reader<'_>,
) {
    for place in places.into_iter().flatten() {
        reader.report(place, ProblemKind::OfTheOtherWire { beside });
    }
}

fn variables(
    env: Vec<(String, Found<Redacted<String>>)>,
    reader: &mut Reader<'_>,
) -> BTreeMap<String, Redacted<String>> {
    for (name, found) in &env {
        if name.is_empty() || name.contains(['=', '\0']) {
            reader.report(&found.place, ProblemKind::VariableName);
        }
        if found.value.expose().contains('\0') {
            reader.report(&found.place, ProblemKind::Nul);
        }
    }
    env.into_iter().map(|(name, found)| (name, found.value)).collect()
}

fn http(
    (url, urls): (&Found<String>, &[&Found<String>]),
    transport: HttpTransport,
    keys: &ServerKeys,
    options: &ServerOptions,
    reader: &mut Reader<'_>,
) -> Option<HttpSettings> {
    let foreign = [
        keys.args.as_ref().filter(|args| !args.value.is_empty()).map(|found| &found.place),
        keys.env.as_ref().filter(|env| !env.value.is_empty()).map(|found| &found.place),
        keys.cwd.as_ref().map(|found| &found.place),
        keys.options.sandbox.as_ref().map(|found| &found.place),
    ];
    report_foreign(foreign, "command", reader);
    let headers = headers(section(keys.headers.clone()), reader);
    let others = urls.iter().skip(1).map(|url| address(url, reader)).collect::<Vec<_>>();
    let (url, others) = (address(url, reader)?, others.into_iter().collect::<Option<Vec<_>>>()?);
    let is_secure = [&url].into_iter().chain(&others).any(|url| url.scheme_str() == Some("https"));
    let timeout = options.timeout();
    Some(HttpSettings {
        url,
        others,
        resolve: options.resolve(),
        address: None,
        headers,
        transport,
        ca: options.ca.as_ref().map(|found| found.value.clone()),
        identity: replicas::identity(keys, options, is_secure, reader),
        connect_timeout: options.connect_timeout(),
        first_byte_timeout: options.first_byte_timeout.as_ref().map(|found| found.value),
        patience: (timeout, options.total_timeout().max(timeout)),
        max_idle_connections: options.max_idle_connections(),
        max_connections: options.max_connections(),
        health: replicas::health(&section(options.health.clone())),
        ejection: replicas::ejection(&section(options.ejection.clone())),
    })
}

/// An address may carry a key in its query, so it is never quoted.
fn address(url: &Found<String>, reader: &mut Reader<'_>) -> Option<Uri> {
    let uri: Option<Uri> = url.value.parse().ok();
    let web = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    };
    let Some(uri) = uri.filter(web) else {
        reader.report(&url.place, ProblemKind::BadUrl);
        return None;
    };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        reader.report(&url.place, ProblemKind::CredentialsInUrl);
        return None;
    }
    Some(uri)
}

fn headers(
    written: Vec<(String, Found<Redacted<String>>)>,
    reader: &mut Reader<'_>,
) -> Vec<(HeaderName, Redacted<String>)> {
    let mut seen = BTreeSet::new();
    let mut headers = Vec::with_capacity(written.len());
    for (name, found) in written {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            reader.report(&found.place, ProblemKind::HeaderName);
            continue;
        };
        if HeaderValue::from_str(found.value.expose()).is_err() {
            reader.report(&found.place, ProblemKind::HeaderValue);
        } else if !seen.insert(name.as_str().to_owned()) {
            reader.report(&found.place, ProblemKind::HeaderTwice);
        } else if OWN_HEADERS.contains(&name) {
            reader.note(&found.place, Remark::OwnHeader);
        } else {
            headers.push((name, found.value));
        }
    }
    headers
}
