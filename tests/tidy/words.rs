//! Words that have no place in the product, and facts about the machine it was written on.

use std::fs;

use super::{
    none,
    source::{files, root, shown, sources},
};

/// Each with the reason.
const CODE: [(&str, &str); 4] = [
    (".unwrap()", "no panic without a reason: handle it, or `expect` a local invariant"),
    ("todo!", "unfinished"),
    ("unimplemented!", "unfinished"),
    ("dbg!", "left over"),
];

/// Written in pieces, so that this file does not find itself.
const ANYWHERE: [(&str, &str); 9] = [
    (concat!("TO", "DO"), "do it, or leave it"),
    (concat!("FIX", "ME"), "fix it, or leave it"),
    (concat!("#[ig", "nore"), "a test that does not run is no test"),
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("registry.npm", "js.org"), "a registry's host belongs into the user's own configuration"),
    (concat!("py", "pi.org"), "a registry's host belongs into the user's own configuration"),
    (concat!("files.python", "hosted.org"), "a registry's host belongs into the user's own configuration"),
    (concat!("index.crates", ".io"), "a registry's host belongs into the user's own configuration"),
];

#[test]
fn the_product_holds_no_word_of_unfinished_work() {
    none(&sources().iter().flat_map(|source| found(&source.path, &source.code, &CODE)).collect::<Vec<_>>());
}

#[test]
fn no_file_speaks_of_its_author_s_machine() {
    let texts = files(root()).into_iter().filter_map(|path| Some((shown(&path), fs::read_to_string(&path).ok()?)));
    none(&texts.flat_map(|(path, text)| found(&path, &text, &ANYWHERE)).collect::<Vec<_>>());
}

fn found(path: &str, text: &str, words: &[(&str, &str)]) -> Vec<String> {
    let lines = text.lines().zip(1..);
    let findings = lines.flat_map(|(line, number)| {
        words.iter().filter(move |(word, _)| line.contains(word)).map(move |(word, reason)| (number, word, reason))
    });
    findings.map(|(number, word, reason)| format!("{path}:{number}: `{word}`: {reason}")).collect()
}
