//! A value tree as YAML text for people: blocks, and lists of scalars on one line.

use super::tree::{Node, Scalar, Style, Value};

/// `root`'s entries as YAML.
pub(super) fn write(root: &Node) -> String {
    let mut out = String::new();
    write_entries(root, 0, &mut out);
    out
}

fn write_entries(node: &Node, depth: usize, out: &mut String) {
    for entry in node.entries() {
        let indent = "  ".repeat(depth);
        out.push_str(&format!("{indent}{}:", scalar(&entry.key)));
        if entry.value.entries().is_empty() {
            out.push_str(&format!(" {}\n", inline(&entry.value)));
        } else {
            out.push('\n');
            write_entries(&entry.value, depth + 1, out);
        }
    }
}

fn inline(node: &Node) -> String {
    match &node.value {
        Value::Scalar(Scalar { text, style: Style::Plain }) if node.is_nothing() || is_plain(text) => text.clone(),
        Value::Scalar(Scalar { text, .. }) => scalar(text),
        Value::List(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let pairs = entries.iter().map(|entry| format!("{}: {}", scalar(&entry.key), inline(&entry.value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A truth value, a number or a duration.
fn is_plain(text: &str) -> bool {
    let starts_as_number = text.starts_with(|c: char| c.is_ascii_digit());
    matches!(text, "true" | "false")
        || (starts_as_number && text.chars().all(|c| c.is_ascii_digit() || matches!(c, 'm' | 's' | 'h')))
}

/// Plain where no YAML reader, new or old, could take it for something else.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let word = words.iter().any(|word| text.eq_ignore_ascii_case(word));
    // A colon is harmless where no space follows, as in an address.
    let address = text.starts_with("http") && text.chars().all(|c| plain(c) || c == ':') && !text.ends_with(':');
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    if !word && (address || (starts_plain && text.chars().all(plain))) { text.to_owned() } else { quoted(text) }
}

/// In double quotes, with everything escaped that is not printable.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{
        place::Position,
        tree::{self, Entry, Format},
    };

    proptest! {
        #[test]
        fn any_text_reads_back(key: String, value: String) {
            let node = Node::map(vec![Entry::new(key.clone(), Node::text(value.clone(), Position::START))], Position::START);
            let read = tree::read(&write(&node), Format::Yaml).ok().unwrap();
            prop_assert_eq!(read.get(&key).and_then(Node::scalar), Some(value.as_str()));
        }
    }
}
