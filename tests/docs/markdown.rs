//! As much of Markdown as the documents use.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Where the package lies.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file's text.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All documents, but for those that are data.
pub(crate) fn documents() -> Vec<PathBuf> {
    let beside = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let below = ["docs", "tests", "config"].into_iter().flat_map(|folder| files(&root().join(folder)));
    beside.chain(below).filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The program's and the tests' sources, as one text.
pub(crate) fn sources() -> String {
    let all = ["src", "tests"].into_iter().flat_map(|folder| files(&root().join(folder)));
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).map(|path| read(&path)).collect()
}

/// The files below a folder, without what is hidden or installed.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if name.starts_with('.') || name == "node_modules" {
            continue;
        }
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A block between fences.
pub(crate) struct Fence {
    /// The first word after the fence.
    pub language: String,
    /// The word after it: the name of the file that the block is.
    pub file: Option<String>,
    /// What stands between the fences.
    pub text: String,
}

/// All blocks between fences.
pub(crate) fn fences(text: &str) -> Vec<Fence> {
    let mut fences = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let mut words = info.split_whitespace().map(str::to_owned);
        let (language, file) = (words.next().unwrap_or_default(), words.next());
        let text = lines.by_ref().take_while(|line| !line.starts_with("```")).flat_map(|line| [line, "\n"]).collect();
        fences.push(Fence { language, file, text });
    }
    fences
}

/// The text without its blocks.
fn prose(text: &str) -> String {
    let mut is_inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_inside = !is_inside;
        } else if !is_inside {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Where links lead.
pub(crate) fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

/// The anchors of a document's headings.
pub(crate) fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text);
    let headings = headings
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings.map(|heading| heading.chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

/// What stands between single backquotes on a line.
pub(crate) fn code_words(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// One column of a table, without its head.
pub(crate) fn table_cells(table: &str, column: usize) -> Vec<&str> {
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.filter_map(|row| row.trim_matches('|').split('|').nth(column)).collect()
}
