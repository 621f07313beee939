//! From text to tree, and the limits on the way.

use std::{collections::HashMap, ffi::OsStr, path::Path};

use super::{Node, jsonc, toml, yaml};
use crate::config::{
    place::{Place, Position},
    problem::{Problem, ProblemKind},
};

/// The longest file that is read: a client's own settings file with its history is some megabytes at the most.
pub(in crate::config) const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Nesting at the most. A configuration needs six levels; the limit keeps the recursive readers off the stack's end.
pub(super) const MAX_DEPTH: usize = 64;

/// Values at the most, aliases counted as often as they are used: an alias bomb ends here.
pub(super) const MAX_NODES: usize = 1_000_000;

/// The format of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2.
    Yaml,
    /// JSON, with the comments and trailing commas that editors allow in their settings.
    Json,
    /// TOML, for Codex' client configuration.
    Toml,
}

impl Format {
    /// The format that the extension names; without a known one, what the first character suggests.
    pub fn detect(path: &Path, text: &str) -> Self {
        match path.extension().and_then(OsStr::to_str) {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json" | "jsonc" | "json5") => Self::Json,
            Some("toml") => Self::Toml,
            _ if text.trim_start().starts_with('{') => Self::Json,
            _ => Self::Yaml,
        }
    }
}

/// Reads `text`; an empty file is an empty mapping.
pub(in crate::config) fn read(text: &str, format: Format) -> Result<Node, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = match format {
        Format::Yaml => yaml::read(text).map_err(|problem| vec![problem])?,
        Format::Json => yaml::read(&jsonc::blank_comments(text)).map_err(|problem| vec![problem])?,
        Format::Toml => toml::read(text)?,
    };
    let mut problems = Vec::new();
    report_duplicates(&root, &Place::root(root.at), &mut problems);
    if problems.is_empty() { Ok(root) } else { Err(problems) }
}

/// A problem with the text as such.
pub(super) fn syntax(position: Position, message: &str) -> Problem {
    Problem { place: Place::root(position), kind: ProblemKind::Syntax(message.into()) }
}

/// The last value would win silently otherwise, and the first one is what the reader of the file sees.
fn report_duplicates(node: &Node, place: &Place, problems: &mut Vec<Problem>) {
    let mut seen = HashMap::new();
    for entry in node.entries() {
        let here = place.key(&entry.key, entry.at);
        if let Some(first) = seen.insert(entry.key.as_str(), entry.at) {
            problems.push(Problem { place: here.clone(), kind: ProblemKind::Duplicate { first } });
        }
        report_duplicates(&entry.value, &here, problems);
    }
    for (index, item) in node.items().iter().enumerate() {
        report_duplicates(item, &place.index(index, item.at), problems);
    }
}
