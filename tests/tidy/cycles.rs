//! No file of the crate uses itself by way of others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{imports::Crate, none, source::sources};

type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Uses without which there would be no cycle: who, whom, and what ends it. A debt: no line is added, and each goes when it is paid.
const DEBTS: [(&str, &str, &str); 12] = [
    ("src/app/listen.rs", "src/app/gateway.rs", "`Shared` into a file below both"),
    ("src/config/tree/toml.rs", "src/config/tree/read.rs", "`syntax` into a file below both"),
    ("src/config/tree/yaml.rs", "src/config/tree/read.rs", "`syntax` and the limits into a file below both"),
    ("src/config/watch.rs", "src/config/environment.rs", "`read_at_most` into a file below both"),
    ("src/downstream/guard/host.rs", "src/downstream/guard/check.rs", "`Refusal` into a file below both"),
    ("src/telemetry/metrics/handle.rs", "src/telemetry/metrics.rs", "`Count` into a file below both"),
    ("src/telemetry/metrics/server.rs", "src/telemetry/metrics.rs", "`Count` into a file below both"),
    ("src/upstream/errand.rs", "src/upstream/opening.rs", "`gateway_caller` into a file below both"),
    ("src/upstream/group/core.rs", "src/upstream/pool.rs", "what a group needs of `Upstream` into a file below both"),
    (
        "src/upstream/http_exchange.rs",
        "src/upstream/streamable.rs",
        "`Posted` and `unreachable` into a file below both",
    ),
    ("src/upstream/listener.rs", "src/upstream/opening.rs", "`gateway_caller` into a file below both"),
    ("src/upstream/sse_wire.rs", "src/upstream/opening.rs", "`Site`, `Terms` and the handshake into a file below both"),
];

#[test]
fn no_file_uses_itself_by_way_of_others() {
    let sources = sources();
    let resolver = Crate::new(&sources);
    let mut graph: Graph<'_> = BTreeMap::new();
    for source in &sources {
        let used = resolver
            .named(source)
            .iter()
            .filter_map(|path| resolver.file(path))
            .filter(|file| *file != source.path && *file != "src/lib.rs")
            .collect();
        graph.insert(&source.path, used);
    }
    let paid = DEBTS
        .iter()
        .filter(|(user, used, _)| shortest_way(&graph, used, user).is_none() || !graph[user].contains(used));
    let mut findings: Vec<String> =
        paid.map(|(user, used, _)| format!("{user} -> {used} is no debt any more: take it off the list")).collect();
    for (user, used, _) in DEBTS {
        graph.entry(user).or_default().remove(used);
    }
    findings.extend(cycles(&graph));
    none(&findings);
}

/// The shortest cycle through each file, each set of files once.
fn cycles(graph: &Graph<'_>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let shortest = graph.keys().filter_map(|start| shortest_way(graph, start, start));
    let new = shortest.filter(|cycle| seen.insert(cycle.iter().copied().collect::<BTreeSet<_>>()));
    new.map(|cycle| cycle.join(" -> ")).collect()
}

/// The shortest way from one file to another, or back to itself.
fn shortest_way<'a>(graph: &Graph<'a>, start: &'a str, end: &str) -> Option<Vec<&'a str>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for next in graph.get(file).into_iter().flatten() {
            if *next == end {
                return Some(way(&came_from, start, &[next, file]));
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, file);
                queue.push_back(next);
            }
        }
    }
    None
}

/// From `start` to the first of the two last files.
fn way<'a>(came_from: &BTreeMap<&'a str, &'a str>, start: &'a str, last: &[&'a str; 2]) -> Vec<&'a str> {
    let mut way = last.to_vec();
    while way.last() != Some(&start) {
        way.extend(way.last().and_then(|file| came_from.get(file)));
    }
    way.reverse();
    way
}

#[test]
fn finds_the_shortest_cycle() {
    let graph: Graph<'_> =
        [("a", ["b"].into()), ("b", ["c", "d"].into()), ("c", ["a"].into()), ("d", BTreeSet::new())].into();
    assert_eq!(cycles(&graph), ["a -> b -> c -> a"]);
    assert_eq!(shortest_way(&graph, "a", "d").unwrap(), ["a", "b", "d"]);
    assert_eq!(shortest_way(&graph, "d", "a"), None);
}
