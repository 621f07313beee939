//! One server's entry, from a client's words to ours.
//!
//! The clients' dialects differ in a dozen key names and agree on what they mean, so there is one table for all of them.

use std::time::Duration;

use super::dialect::{Dialect, TimeoutUnit, UnknownKeys};
use crate::config::{
    keys::ServerKeys,
    place::{Place, Position},
    problem::{Note, Remark},
    shape::Section,
    shapes::written_duration,
    tree::{Entry, Node, Value},
};

/// The keys of one server in our words, and what was left out.
pub(super) fn translate(entry: &Entry, place: &Place, dialect: &Dialect, notes: &mut Vec<Note>) -> Node {
    let mut server = Server { entries: Vec::new(), at: entry.value.at };
    let known: Vec<&str> = ServerKeys::keys().iter().map(|key| key.name).collect();
    for field in entry.value.entries() {
        let handled =
            server.spawn_keys(field) || server.call_keys(field) || server.option_keys(field, dialect, &entry.value);
        if handled {
        } else if known.contains(&field.key.as_str()) || dialect.unknown == UnknownKeys::Keep {
            server.put(field.clone());
        } else {
            notes.push(Note { place: place.key(&field.key, field.at), remark: Remark::Ignored });
        }
    }
    Node::map(server.entries, server.at)
}

/// The entry that is being written.
struct Server {
    entries: Vec<Entry>,
    at: Position,
}

impl Server {
    fn put(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    fn put_as(&mut self, key: &str, field: &Entry) {
        self.put(Entry { key: key.to_owned(), at: field.at, value: field.value.clone() });
    }

    /// Adds `entries` to the mapping at `key`.
    fn put_below(&mut self, key: &str, entries: impl IntoIterator<Item = Entry>) {
        let at = self.at;
        let position = self.entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
            self.entries.push(Entry { key: key.to_owned(), at, value: Node::map(Vec::new(), at) });
            self.entries.len() - 1
        });
        if let Some(Entry { value: Node { value: Value::Map(present), .. }, .. }) = self.entries.get_mut(position) {
            present.extend(entries);
        }
    }

    /// What starts a program.
    fn spawn_keys(&mut self, field: &Entry) -> bool {
        match (field.key.as_str(), &field.value.value) {
            // opencode writes the whole command line as a list, Zed once wrote a mapping.
            ("command", Value::List(words)) => self.command_line(field, words),
            ("command", Value::Map(parts)) => parts.iter().for_each(|part| match part.key.as_str() {
                "path" => self.put_as("command", part),
                key => self.put_as(key, part),
            }),
            ("cmd", _) => self.put_as("command", field),
            ("env" | "environment" | "envs", Value::Map(variables)) => self.put_below("env", variables.clone()),
            // Zed writes `null` for no variables.
            ("env" | "environment" | "envs", _) if field.value.is_nothing() => {}
            // Codex and Goose name variables that are passed on.
            ("env_vars" | "env_keys", Value::List(names)) => self.put_below("env", names.iter().filter_map(passed_on)),
            _ => return false,
        }
        true
    }

    fn command_line(&mut self, field: &Entry, words: &[Node]) {
        if let Some((program, args)) = words.split_first() {
            self.put(Entry { key: "command".to_owned(), at: field.at, value: program.clone() });
            let args = Node { value: Value::List(args.to_vec()), at: field.value.at };
            self.put(Entry { key: "args".to_owned(), at: field.at, value: args });
        }
    }

    /// What calls an address.
    fn call_keys(&mut self, field: &Entry) -> bool {
        match (field.key.as_str(), &field.value.value) {
            ("serverUrl" | "httpUrl" | "uri", _) => self.put_as("url", field),
            ("headers" | "http_headers", Value::Map(headers)) => self.put_below("headers", headers.clone()),
            ("requestOptions", Value::Map(_)) => {
                self.put_below("headers", field.value.get("headers").map(Node::entries).unwrap_or_default().to_vec());
            }
            ("env_http_headers", Value::Map(headers)) => {
                self.put_below("headers", headers.iter().map(header_from_variable));
            }
            ("bearer_token_env_var", Value::Scalar(name)) => {
                let value = Node::text(format!("Bearer ${{env:{}}}", name.text), field.value.at);
                self.put_below("headers", [Entry::new("Authorization", value)]);
            }
            ("type" | "transport", Value::Scalar(word)) => {
                let value = Node::text(our_type(&word.text), field.value.at);
                self.put(Entry { key: "type".to_owned(), at: field.at, value });
            }
            _ => return false,
        }
        true
    }

    /// What Myelin does with the server.
    fn option_keys(&mut self, field: &Entry, dialect: &Dialect, whole: &Node) -> bool {
        let scalar = field.value.scalar();
        match field.key.as_str() {
            "includeTools" | "enabled_tools" | "available_tools" => self.tools("allow", field),
            "excludeTools" | "disabledTools" | "disabled_tools" => self.tools("deny", field),
            "tools" if matches!(field.value.value, Value::List(_)) => self.tools("allow", field),
            "enabled" if scalar == Some("false") => {
                self.put(Entry {
                    key: "disabled".to_owned(),
                    at: field.at,
                    value: Node::plain("true", field.value.at),
                });
            }
            "enabled" => {}
            "disabled" if scalar == Some("false") => {}
            "timeout" => self.timeout("timeout", field, dialect.timeout_unit(whole)),
            "tool_timeout_sec" => self.timeout("timeout", field, TimeoutUnit::Seconds),
            "startup_timeout_sec" => self.timeout("startTimeout", field, TimeoutUnit::Seconds),
            "startup_timeout_ms" | "connectionTimeout" => {
                self.timeout("startTimeout", field, TimeoutUnit::Milliseconds);
            }
            _ => return false,
        }
        true
    }

    /// Goose writes an empty list for "all".
    fn tools(&mut self, key: &str, field: &Entry) {
        if !field.value.items().is_empty() {
            self.put_below("tools", [Entry { key: key.to_owned(), at: field.at, value: field.value.clone() }]);
        }
    }

    fn timeout(&mut self, key: &str, field: &Entry, unit: TimeoutUnit) {
        let number = field.value.scalar().and_then(|text| text.parse::<f64>().ok());
        let duration = number.and_then(|number| match unit {
            TimeoutUnit::Seconds => Duration::try_from_secs_f64(number).ok(),
            TimeoutUnit::Milliseconds => Duration::try_from_secs_f64(number / 1000.0).ok(),
        });
        // Anything else stays, and is reported where durations are read.
        let value =
            duration.map_or_else(|| field.value.clone(), |it| Node::plain(written_duration(it), field.value.at));
        self.put(Entry { key: key.to_owned(), at: field.at, value });
    }
}

fn passed_on(name: &Node) -> Option<Entry> {
    let text = name.scalar()?;
    Some(Entry::new(text, Node::text(format!("${{env:{text}}}"), name.at)))
}

fn header_from_variable(header: &Entry) -> Entry {
    let variable = header.value.scalar().unwrap_or_default();
    Entry { value: Node::text(format!("${{env:{variable}}}"), header.value.at), ..header.clone() }
}

/// The clients' words for the wire; an unknown one stays and is reported.
fn our_type(word: &str) -> &str {
    match word {
        "local" => "stdio",
        "remote" | "streamable_http" | "streamable-http" | "streamableHttp" => "http",
        other => other,
    }
}
