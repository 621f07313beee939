//! Values that must not be copied into a new file.
//!
//! The values of `env` and `headers` count as secrets whatever they are called, as do an address with credentials or a query and
//! an argument after a flag such as `--api-key`.

use std::collections::HashMap;

use crate::config::{
    clients::variable_name,
    environment::{Piece, pieces},
    place::{Place, Position},
    problem::{Note, Remark},
    tree::{Node, Value},
};

/// Words in a flag's name that say that its value is secret.
const SECRET_WORDS: [&str; 6] = ["key", "token", "secret", "password", "passwd", "credential"];

/// `root` with a reference in place of every secret.
pub(super) fn replace(mut root: Node, notes: &mut Vec<Note>) -> Node {
    let mut names = Variables { taken: HashMap::new(), notes };
    let servers = root.get_mut("mcpServers").map(Node::entries_mut).unwrap_or_default();
    for server in servers {
        let place = Place::root(Position::START).key("mcpServers", server.at).key(&server.key, server.at);
        for field in server.value.entries_mut() {
            let place = place.key(&field.key, field.at);
            match field.key.as_str() {
                "env" => names.replace_env(&server.key, &mut field.value, &place),
                "headers" => names.replace_headers(&server.key, &mut field.value, &place),
                "args" => names.replace_args(&server.key, &mut field.value, &place),
                "url" if field.value.scalar().is_some_and(|url| url.contains(['@', '?'])) => {
                    names.replace_value(&format!("{}_url", server.key), "", &mut field.value, &place);
                }
                _ => {}
            }
        }
    }
    root
}

/// The variables that the new file refers to, with the values they stand for: one variable for one value.
struct Variables<'a> {
    taken: HashMap<String, String>,
    notes: &'a mut Vec<Note>,
}

impl Variables<'_> {
    fn replace_env(&mut self, server: &str, env: &mut Node, place: &Place) {
        for entry in env.entries_mut() {
            let place = place.key(&entry.key, entry.at);
            let own = variable_name(&entry.key);
            let clash = self.taken.get(&own).is_some_and(|value| entry.value.scalar() != Some(value));
            let name = if clash { format!("{server}_{}", entry.key) } else { own };
            self.replace_value(&name, "", &mut entry.value, &place);
        }
    }

    fn replace_headers(&mut self, server: &str, headers: &mut Node, place: &Place) {
        for entry in headers.entries_mut() {
            let place = place.key(&entry.key, entry.at);
            let scheme = entry.value.scalar().map(auth_scheme).unwrap_or_default().to_owned();
            self.replace_value(&format!("{server}_{}", entry.key), &scheme, &mut entry.value, &place);
        }
    }

    fn replace_args(&mut self, server: &str, args: &mut Node, place: &Place) {
        let Value::List(items) = &mut args.value else { return };
        let mut flag: Option<String> = None;
        for (index, item) in items.iter_mut().enumerate() {
            let place = place.index(index, item.at);
            let text = item.scalar().unwrap_or_default().to_owned();
            let (name, prefix) = match (flag.take(), text.split_once('=')) {
                (Some(flag), _) => (flag, String::new()),
                (None, Some((name, _))) if is_secret_flag(name) => (name.to_owned(), format!("{name}=")),
                _ => {
                    flag = is_secret_flag(&text).then_some(text);
                    continue;
                }
            };
            let name = format!("{server}_{}", name.trim_start_matches('-'));
            self.replace_value(&name, &prefix, item, &place);
        }
    }

    /// Puts a reference to the variable `name` in place of what follows `prefix`.
    fn replace_value(&mut self, name: &str, prefix: &str, node: &mut Node, place: &Place) {
        let Some(secret) = node.scalar().and_then(|text| text.strip_prefix(prefix)) else { return };
        if is_reference(secret) || node.is_nothing() {
            return;
        }
        let variable = self.free_name(variable_name(name), secret);
        self.notes.push(Note { place: place.clone(), remark: Remark::SecretReplaced { variable: variable.clone() } });
        *node = Node::text(format!("{prefix}${{env:{variable}}}"), node.at);
    }

    fn free_name(&mut self, name: String, secret: &str) -> String {
        let candidates = std::iter::once(name.clone()).chain((2..).map(|n| format!("{name}_{n}")));
        let is_free = |name: &String| self.taken.get(name).is_none_or(|value| value == secret);
        let name = candidates.into_iter().find(is_free).unwrap_or(name);
        self.taken.insert(name.clone(), secret.to_owned());
        name
    }
}

/// The scheme before a credential, its space included: it is no secret and tells the operator what the variable holds.
fn auth_scheme(value: &str) -> &str {
    ["Bearer ", "Basic ", "token "].into_iter().find(|scheme| value.starts_with(scheme)).unwrap_or_default()
}

/// Whether a value is references and nothing else. The default of one would be a value in clear.
fn is_reference(value: &str) -> bool {
    let clear = |piece: &Piece<'_>| !matches!(piece, Piece::File(_) | Piece::Variable { default: None | Some(""), .. });
    !value.is_empty() && !pieces(value).iter().any(clear)
}

fn is_secret_flag(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    text.starts_with('-') && SECRET_WORDS.iter().any(|word| lower.contains(word))
}
