//! How long a function and a file may be.
//!
//! What is longer today is listed with its length. A list entry is a debt: it may only go down, and goes when it is paid.

use std::collections::BTreeMap;

use super::{
    lexer::{closing, is_word, words},
    none,
    source::{Source, sources},
};

/// A screen.
const FUNCTION_LINES: usize = 70;
const FILE_LINES: usize = 400;

/// Functions that are longer: file, name, lines.
const LONG_FUNCTIONS: [(&str, usize); 0] = [];
/// Files that are longer without their tests: file, lines.
const LONG_FILES: [(&str, usize); 1] = [("src/upstream/group.rs", 621)];

#[test]
fn no_function_is_longer_than_a_screen() {
    let long = sources().iter().flat_map(functions).filter(|(_, lines)| *lines > FUNCTION_LINES).collect();
    none(&compare(&long, &LONG_FUNCTIONS));
}

#[test]
fn no_file_is_longer_than_what_one_reads_at_a_sitting() {
    let long = sources()
        .iter()
        .map(|source| (source.path.clone(), length(source)))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .collect();
    none(&compare(&long, &LONG_FILES));
}

/// Lines up to the last one with code: tests stand at the end.
fn length(source: &Source) -> usize {
    source.code.trim_end().lines().count()
}

/// `file::function` and how many lines it has, from its name to its closing brace.
fn functions(source: &Source) -> Vec<(String, usize)> {
    let code = &source.code;
    let named = words(code, "fn").filter_map(|at| {
        let name: String =
            code[at + 2..].trim_start().bytes().take_while(|byte| is_word(*byte)).map(char::from).collect();
        let open = at + code[at..].find(['{', ';']).filter(|open| code[at + open..].starts_with('{'))?;
        let lines = code[at..closing(code, open)].lines().count();
        (!name.is_empty()).then(|| (format!("{}::{name}", source.path), lines))
    });
    named.collect()
}

fn compare(long: &BTreeMap<String, usize>, listed: &[(&str, usize)]) -> Vec<String> {
    let listed: BTreeMap<&str, usize> = listed.iter().copied().collect();
    let grown = long.iter().filter(|(name, lines)| listed.get(name.as_str()).is_none_or(|allowed| *lines > allowed));
    let grown = grown.map(|(name, lines)| format!("{name} has {lines} lines"));
    let shrunk = listed.iter().filter(|(name, allowed)| long.get(**name).is_none_or(|lines| lines < allowed));
    let shrunk = shrunk.map(|(name, allowed)| format!("{name} has fewer than {allowed} lines now: say so in the list"));
    grown.chain(shrunk).collect()
}

#[test]
fn a_debt_may_only_go_down() {
    let long = |lines| BTreeMap::from([("a".to_owned(), lines)]);
    assert!(compare(&long(80), &[("a", 80)]).is_empty());
    assert_eq!(compare(&long(81), &[("a", 80)]).len(), 1);
    assert_eq!(compare(&long(79), &[("a", 80)]).len(), 1);
    assert_eq!(compare(&BTreeMap::new(), &[("a", 80)]).len(), 1);
}
