//! No file of the crate uses itself by way of others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{imports::Crate, none, source::sources};

type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Cycles that stand: two files of each, and why.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

#[test]
fn no_file_uses_itself_by_way_of_others() {
    let sources = sources();
    let resolver = Crate::new(&sources);
    let mut graph: Graph<'_> = BTreeMap::new();
    for source in &sources {
        let used = resolver.named(source).iter().filter_map(|path| resolver.file(path)).filter(|file| *file != source.path && *file != "src/lib.rs").collect();
        graph.insert(&source.path, used);
    }
    let mut findings: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    for start in graph.keys() {
        let Some(cycle) = shortest_cycle(&graph, start) else { continue };
        let members: BTreeSet<&str> = cycle.iter().copied().collect();
        let stands = EXCEPTIONS.iter().any(|(one, other, _)| members.contains(one) && members.contains(other));
        if !stands && seen.insert(members) {
            findings.push(cycle.join(" -> "));
        }
    }
    none(&findings);
}

/// The shortest way from a file back to itself.
fn shortest_cycle<'a>(graph: &Graph<'a>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for next in graph.get(file).into_iter().flatten() {
            if *next == start {
                return Some(way_back(&came_from, start, file));
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, file);
                queue.push_back(next);
            }
        }
    }
    None
}

fn way_back<'a>(came_from: &BTreeMap<&'a str, &'a str>, start: &'a str, mut file: &'a str) -> Vec<&'a str> {
    let mut way = vec![start];
    while file != start {
        way.push(file);
        file = came_from[file];
    }
    way.push(start);
    way.reverse();
    way
}

#[test]
fn finds_the_shortest_cycle() {
    let graph: Graph<'_> = [("a", ["b"].into()), ("b", ["c", "d"].into()), ("c", ["a"].into()), ("d", BTreeSet::new())].into();
    assert_eq!(shortest_cycle(&graph, "a").unwrap(), ["a", "b", "c", "a"]);
    assert_eq!(shortest_cycle(&graph, "d"), None);
}
