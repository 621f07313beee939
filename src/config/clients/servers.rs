//! All servers of a client's file.

use super::{dialect::Dialect, entry, references};
use crate::config::{
    names::{check_server, fit_server},
    place::Place,
    problem::{Note, Remark},
    tree::{Entry, Node, Value},
};

/// The servers of a client's file in our form.
pub(in crate::config) fn translate(dialect: Dialect, root: &Node) -> (Node, Vec<Note>) {
    let mut notes = Vec::new();
    let mut servers: Vec<Entry> = Vec::new();
    let (node, place) = descend(root, dialect.servers);
    for written in named_entries(node) {
        let here = place.key(&written.key, written.at);
        let Some(written) = own_server(written, &here, &mut notes) else { continue };
        let written = references::translate(written, dialect.references, &here, &mut notes);
        let value = if written.value.is_map() {
            entry::translate(&written, &here, &dialect, &mut notes)
        } else {
            written.value
        };
        let key = unique_name(&written.key, &servers);
        if key != written.key {
            notes.push(Note { place: here, remark: Remark::Renamed { name: key.clone() } });
        }
        servers.push(Entry { key, at: written.at, value });
    }
    note_projects(root, &mut notes);
    (Node::map(vec![Entry::new("mcpServers", Node::map(servers, node.at))], root.at), notes)
}

fn descend<'a>(root: &'a Node, keys: &[&str]) -> (&'a Node, Place) {
    keys.iter().fold((root, Place::root(root.at)), |(node, place), key| {
        let below = node.get(key).unwrap_or(node);
        (below, place.key(key, below.at))
    })
}

/// The servers with their names: the keys of a mapping, or `name` inside the elements of a list.
fn named_entries(node: &Node) -> Vec<Entry> {
    let element = |item: &Node| {
        let name = item.get("name").and_then(Node::scalar).unwrap_or_default();
        Entry { key: name.to_owned(), at: item.at, value: without_key(item, "name") }
    };
    match &node.value {
        Value::List(items) => items.iter().map(element).collect(),
        _ => node.entries().to_vec(),
    }
}

fn without_key(node: &Node, key: &str) -> Node {
    Node::map(node.entries().iter().filter(|entry| entry.key != key).cloned().collect(), node.at)
}

/// The entry when it is a server that Myelin can reach: some of Goose's and Zed's are parts of the client itself.
fn own_server(entry: Entry, place: &Place, notes: &mut Vec<Note>) -> Option<Entry> {
    // Goose once wrote the server below `config`, with `enabled` beside it.
    let entry = match entry.value.get("config").filter(|config| config.is_map()) {
        Some(config) => {
            let mut fields = config.entries().to_vec();
            fields.extend(entry.value.entries().iter().filter(|field| field.key == "enabled").cloned());
            Entry { value: Node::map(fields, config.at), ..entry }
        }
        None => entry,
    };
    let word = |key: &str| entry.value.get(key).and_then(Node::scalar);
    let built_in = matches!(word("type"), Some("builtin" | "platform" | "frontend" | "inline_python"))
        || (word("source") == Some("extension") && entry.value.get("command").is_none());
    if built_in {
        notes.push(Note { place: place.clone(), remark: Remark::BuiltIn });
        return None;
    }
    Some(entry)
}

/// `name` as a server may have it, and as no other server has it yet.
fn unique_name(name: &str, taken: &[Entry]) -> String {
    let fitted = if check_server(name).is_ok() { name.to_owned() } else { fit_server(name) };
    let free = |name: &String| !taken.iter().any(|entry| entry.key == *name);
    let mut candidates = std::iter::once(fitted.clone()).chain((2..).map(|n| fit_server(&format!("{n}-{fitted}"))));
    candidates.find(free).unwrap_or(fitted)
}

/// Claude Code keeps servers of single projects in the same file.
fn note_projects(root: &Node, notes: &mut Vec<Note>) {
    let projects = root.get("projects").map(Node::entries).unwrap_or_default();
    for project in
        projects.iter().filter(|project| project.value.get("mcpServers").is_some_and(|s| !s.entries().is_empty()))
    {
        let place = Place::root(root.at).key("projects", project.at).key(&project.key, project.at);
        notes.push(Note { place, remark: Remark::ProjectServers });
    }
}
