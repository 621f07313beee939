//! `endpoints`: which servers stand behind which path.

use super::{
    found::section,
    server::{Enabled, Listed},
};
use crate::{
    config::{
        keys::EndpointKeys,
        names::{check_path, nearest},
        place::{Found, Place},
        problem::{ProblemKind, Remark},
        shape::{Reader, Servers},
    },
    route::settings::{EndpointSettings, Names},
};

/// The path that every client tries first.
const DEFAULT_PATH: &str = "/mcp";

type Written = Option<Found<Vec<(String, Found<EndpointKeys>)>>>;

/// The endpoints, or one over all servers when the file names none.
pub(super) fn all(written: Written, servers: &[Listed<'_>], reader: &mut Reader<'_>) -> Vec<EndpointSettings> {
    let written = section(written);
    if written.is_empty() {
        return vec![default(enabled(servers))];
    }
    written.iter().map(|(path, found)| endpoint(path, found, servers, reader)).collect()
}

/// `/mcp` over `servers`.
pub(super) fn default(servers: Vec<String>) -> EndpointSettings {
    EndpointSettings { path: DEFAULT_PATH.to_owned(), servers, names: Names::Auto }
}

fn enabled(servers: &[Listed<'_>]) -> Vec<String> {
    servers.iter().filter(|server| server.enabled == Enabled::Yes).map(|server| server.name.to_owned()).collect()
}

fn endpoint(
    path: &str,
    found: &Found<EndpointKeys>,
    servers: &[Listed<'_>],
    reader: &mut Reader<'_>,
) -> EndpointSettings {
    if let Err(fault) = check_path(path) {
        reader.report(&found.place, fault.into());
    }
    let names = found.value.names();
    let servers = match &found.value.servers {
        Some(list) if list.value.is_empty() => {
            reader.report(&list.place, ProblemKind::NoServers);
            Vec::new()
        }
        Some(list) => selected(&list.value, servers, reader),
        None => enabled(servers),
    };
    EndpointSettings { path: path.to_owned(), servers, names }
}

/// The servers that the patterns select, in the order of the patterns, each once.
fn selected(patterns: &[Found<String>], servers: &[Listed<'_>], reader: &mut Reader<'_>) -> Vec<String> {
    let mut selected: Vec<String> = Vec::new();
    for pattern in patterns {
        for server in matches(pattern, servers, reader) {
            if !selected.iter().any(|name| name == server.name) {
                selected.push(server.name.to_owned());
            }
        }
    }
    selected
}

/// Reports a pattern that selects no server, unless one may be found that it selects.
pub(super) fn check_pattern(pattern: &Found<String>, servers: &[Listed<'_>], reader: &mut Reader<'_>) {
    if reader.servers == Servers::Found {
        return;
    }
    let Ok(glob) = globset::Glob::new(&pattern.value) else { return };
    let glob = glob.compile_matcher();
    let matching: Vec<&Listed<'_>> = servers.iter().filter(|server| glob.is_match(server.name)).collect();
    report_misses(pattern, &matching, servers, reader);
}

fn matches<'a>(pattern: &Found<String>, servers: &'a [Listed<'a>], reader: &mut Reader<'_>) -> Vec<&'a Listed<'a>> {
    // The shape has refused every pattern that does not compile.
    let Ok(glob) = globset::Glob::new(&pattern.value) else { return Vec::new() };
    let glob = glob.compile_matcher();
    let matching: Vec<&Listed<'_>> = servers.iter().filter(|server| glob.is_match(server.name)).collect();
    report_misses(pattern, &matching, servers, reader);
    matching.into_iter().filter(|server| server.enabled == Enabled::Yes).collect()
}

fn report_misses(pattern: &Found<String>, matching: &[&Listed<'_>], servers: &[Listed<'_>], reader: &mut Reader<'_>) {
    let servers_failed = reader.reported(&Place::file(), "mcpServers");
    let failed = reader.reported(&Place::file(), &format!("mcpServers.{}", pattern.value));
    if servers_failed || failed {
        return;
    }
    let is_name = !pattern.value.contains(['*', '?', '[', '{']);
    match matching {
        [] if is_name => {
            let near = nearest(&pattern.value, servers.iter().map(|server| server.name));
            reader.report(
                &pattern.place,
                ProblemKind::UnknownServer { name: reader.quoted(&pattern.value, &pattern.place), near },
            );
        }
        // `*` over nothing is what an empty file with an endpoint says, and it says nothing wrong.
        [] if pattern.value != "*" => {
            reader.report(
                &pattern.place,
                ProblemKind::MatchesNothing { pattern: reader.quoted(&pattern.value, &pattern.place) },
            );
        }
        [only] if is_name && only.enabled == Enabled::No => {
            reader.note(&pattern.place, Remark::DisabledInEndpoint { name: only.name.to_owned() });
        }
        _ => {}
    }
}
