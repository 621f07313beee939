//! What a file begins with, and what a `mod.rs` may hold.

use super::{
    lexer::closing,
    none,
    source::{Source, sources},
};

/// Folders whose `mod.rs` holds more than docs, `mod` and `use`, and why.
const EXCEPTIONS: [(&str, &str); 2] =
    [("src/era/mod.rs", "the types that all four codecs speak"), ("src/mcp/mod.rs", "the waist's own trait")];

#[test]
fn every_file_begins_with_its_documentation() {
    let findings: Vec<String> =
        sources().iter().filter(|source| !source.text.starts_with("//! ")).map(|source| source.path.clone()).collect();
    none(&findings);
}

#[test]
fn a_mod_file_holds_documentation_modules_and_imports() {
    let sources = sources();
    let folders = sources.iter().filter(|source| source.is_folder());
    let busy: Vec<&Source> =
        folders.filter(|source| items(&source.code).iter().any(|item| !is_structure(item))).collect();
    let excepted = |path: &str| EXCEPTIONS.iter().any(|(excepted, _)| *excepted == path);
    let mut findings: Vec<String> = busy
        .iter()
        .filter(|source| !excepted(&source.path))
        .map(|source| format!("{} holds code", source.path))
        .collect();
    let stale = EXCEPTIONS.iter().filter(|(path, _)| !busy.iter().any(|source| source.path == *path));
    findings.extend(stale.map(|(path, _)| format!("{path} needs no exception")));
    none(&findings);
}

/// The items of the outermost level, attributes left out.
fn items(code: &str) -> Vec<String> {
    let (mut items, mut at) = (Vec::new(), 0);
    while let Some(start) = code[at..].find(|letter: char| !letter.is_whitespace()).map(|offset| at + offset) {
        at = if code[start..].starts_with('#') {
            start + code[start..].find(']').map_or(1, |end| end + 1)
        } else {
            let end = code[start..].find(';').map_or(code.len(), |end| start + end + 1);
            let is_list = code[start..end].split_whitespace().any(|word| word == "use");
            let body = code[start..end].find('{').filter(|_| !is_list).map(|open| closing(code, start + open));
            let end = body.unwrap_or(end);
            items.push(code[start..end].to_owned());
            end
        };
    }
    items
}

fn is_structure(item: &str) -> bool {
    let bare = item.split_once(')').filter(|_| item.starts_with("pub(")).map_or(item, |(_, rest)| rest.trim_start());
    let bare = bare.strip_prefix("pub ").unwrap_or(bare);
    bare.starts_with("use ") || (bare.starts_with("mod ") && bare.ends_with(';'))
}
