//! The clients' ways to write a reference, turned into ours.

use crate::config::{
    place::Place,
    problem::{Note, Remark},
    tree::{Entry, Node, Value},
};

/// How a client writes a reference to a variable, beside `${NAME}`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum References {
    /// As we do.
    Ours,
    /// VS Code: `${input:id}` asks the user.
    Inputs,
    /// opencode: `{env:NAME}`, `{file:path}`.
    Braces,
    /// Crush: `$NAME`.
    Shell,
    /// Continue: `${{ secrets.NAME }}`.
    Continue,
}

/// `entry` with all references below it in our form.
pub(super) fn translate(entry: Entry, form: References, place: &Place, notes: &mut Vec<Note>) -> Entry {
    Entry { value: node(entry.value, form, place, notes), ..entry }
}

fn node(written: Node, form: References, place: &Place, notes: &mut Vec<Note>) -> Node {
    let value = match written.value {
        Value::Scalar(mut scalar) => {
            scalar.text = text(scalar.text, form, place, notes);
            Value::Scalar(scalar)
        }
        Value::List(items) => {
            let place = |index, item: &Node| place.index(index, item.at);
            Value::List(items.into_iter().enumerate().map(|(i, item)| node_at(item, i, form, place, notes)).collect())
        }
        Value::Map(entries) => {
            let below = |entry: Entry, notes: &mut Vec<Note>| {
                let place = place.key(&entry.key, entry.at);
                translate(entry, form, &place, notes)
            };
            Value::Map(entries.into_iter().map(|entry| below(entry, notes)).collect())
        }
    };
    Node { value, at: written.at }
}

fn node_at(
    item: Node,
    index: usize,
    form: References,
    place: impl Fn(usize, &Node) -> Place,
    notes: &mut Vec<Note>,
) -> Node {
    let place = place(index, &item);
    node(item, form, &place, notes)
}

fn text(text: String, form: References, place: &Place, notes: &mut Vec<Note>) -> String {
    match form {
        References::Ours => text,
        References::Inputs => replace(&text, "${input:", "}", |id| {
            let variable = variable_name(id);
            notes.push(Note {
                place: place.clone(),
                remark: Remark::InputReplaced { id: id.to_owned(), variable: variable.clone() },
            });
            format!("${{env:{variable}}}")
        }),
        References::Braces => {
            let variables = replace(&text, "{env:", "}", |name| format!("${{env:{name}}}"));
            replace(&variables, "{file:", "}", |path| format!("${{file:{path}}}"))
        }
        References::Shell => shell(&text),
        References::Continue => replace(&text, "${{", "}}", |name| {
            let name = name.trim().rsplit('.').next().unwrap_or_default();
            format!("${{env:{name}}}")
        }),
    }
}

/// `text` with every piece between `open` and `close` replaced.
fn replace(mut text: &str, open: &str, close: &str, mut with: impl FnMut(&str) -> String) -> String {
    let mut out = String::new();
    while let Some((before, rest)) = text.split_once(open) {
        let Some((inner, after)) = rest.split_once(close) else { break };
        out.push_str(before);
        out.push_str(&with(inner));
        text = after;
    }
    out + text
}

/// `$NAME` as `${NAME}`.
fn shell(mut text: &str) -> String {
    let mut out = String::new();
    while let Some((before, rest)) = text.split_once('$') {
        out.push_str(before);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            out.push_str(&format!("${{{name}}}"));
            text = after;
        } else {
            out.push('$');
            text = rest;
        }
    }
    out + text
}

/// `id` as the name of a variable: `api-key` becomes `API_KEY`.
pub(in crate::config) fn variable_name(id: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = id.chars().map(upper).collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(written: &str, form: References) -> String {
        text(written.to_owned(), form, &Place::file(), &mut Vec::new())
    }

    #[test]
    fn each_clients_references_become_ours() {
        assert_eq!(ours("Bearer ${input:api-key}", References::Inputs), "Bearer ${env:API_KEY}");
        assert_eq!(ours("{env:KEY}/{file:~/x}", References::Braces), "${env:KEY}/${file:~/x}");
        assert_eq!(ours("Bearer $GH_PAT, $5 ${X}", References::Shell), "Bearer ${GH_PAT}, $5 ${X}");
        assert_eq!(ours("${{ secrets.KEY }}", References::Continue), "${env:KEY}");
        assert_eq!(ours("${input:x", References::Inputs), "${input:x");
    }
}
