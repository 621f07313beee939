//! The layer table: a module imports only modules of lower layers.

use super::{
    imports::Crate,
    none,
    source::{Source, sources},
};

/// The layers from the bottom up. Modules of one row do not know each other.
const LAYERS: [&[&str]; 12] = [
    &["jsonrpc", "seal", "redact", "clock", "network", "names", "state", "guard", "demo"],
    &["sse", "telemetry"],
    &["mcp"],
    &["era"],
    &["audit", "auth", "hop", "limit", "pin", "policy", "dialogue"],
    &["route", "commons"],
    &["upstream"],
    &["downstream", "discovery"],
    &["config", "admin"],
    &["app", "drain"],
    &["cli"],
    &["main"],
];

/// Pairs that the table would allow and the design forbids.
const FORBIDDEN: [(&str, &str, &str); 1] = [("downstream", "upstream", "the two sides meet only in `app`")];

/// Pairs that the table forbids, each with the reason why it stands all the same.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

#[test]
fn a_module_imports_only_lower_layers() {
    let sources = sources();
    let graph = Crate::new(&sources);
    let mut findings: Vec<String> = sources.iter().flat_map(|source| offences(&graph, source)).collect();
    findings.extend(unplaced(&sources));
    none(&findings);
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

fn top(source: &Source) -> String {
    source.module().first().map_or("main", |top| *top).to_owned()
}

fn offences(graph: &Crate<'_>, source: &Source) -> Vec<String> {
    let from = top(source);
    let named = graph.named(source).into_iter().filter_map(|path| path.into_iter().next());
    let to: std::collections::BTreeSet<String> = named.filter(|to| *to != from && layer(to).is_some()).collect();
    to.into_iter().filter_map(|to| Some(format!("{} uses `{to}`: {}", source.path, offence(&from, &to)?))).collect()
}

fn offence(from: &str, to: &str) -> Option<&'static str> {
    if EXCEPTIONS.iter().any(|(user, used, _)| (*user, *used) == (from, to)) {
        return None;
    }
    if let Some((.., reason)) = FORBIDDEN.iter().find(|(user, used, _)| (*user, *used) == (from, to)) {
        return Some(reason);
    }
    (layer(to) >= layer(from)).then_some("it is not of a lower layer")
}

fn unplaced(sources: &[Source]) -> Vec<String> {
    let unknown = sources.iter().filter(|source| layer(&top(source)).is_none());
    unknown.map(|source| format!("{} is in no layer: add its module to the table", source.path)).collect()
}
