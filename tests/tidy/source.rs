//! The crate's sources, with what is not code taken out of the way.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// One file of `src`.
pub(crate) struct Source {
    /// Relative to the project's root, with slashes.
    pub path: String,
    /// As it is.
    pub text: String,
    /// The same lines, with comments, the insides of literals and `#[cfg(test)]` modules blank.
    pub code: String,
}

impl Source {
    /// The module that the file is: `["era", "modern", "front"]`; nothing for the two roots.
    pub(crate) fn module(&self) -> Vec<&str> {
        let path = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        if matches!(path, "lib" | "main") { Vec::new() } else { path.split('/').collect() }
    }

    /// Whether the file is a `mod.rs`.
    pub(crate) fn is_folder(&self) -> bool {
        self.path.ends_with("/mod.rs")
    }
}

/// The project's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of `src` that is compiled into the product: files that are only tests are left out.
pub(crate) fn sources() -> Vec<Source> {
    let mut sources: Vec<Source> = files(&root().join("src")).iter().filter_map(|path| read(path)).collect();
    let tests: BTreeSet<String> = sources.iter().flat_map(test_modules).collect();
    sources.retain(|source| {
        !tests.iter().any(|test| source.path == format!("{test}.rs") || source.path.starts_with(&format!("{test}/")))
    });
    sources
}

/// Every file below a folder, in order, without what is built or installed.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    const NOT_OURS: [&str; 8] =
        [".git", "target", "node_modules", "__pycache__", ".peers", ".venv", "artifacts", "coverage"];
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        let kind = entry.file_type().unwrap();
        if NOT_OURS.iter().any(|not_ours| name == *not_ours) {
            continue;
        }
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// A path as it is written in messages.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn read(path: &Path) -> Option<Source> {
    path.extension().filter(|extension| *extension == "rs")?;
    let text = fs::read_to_string(path).unwrap();
    let code = without_tests(&super::lexer::blank(&text));
    Some(Source { path: shown(path), text, code })
}

/// Paths without `.rs` of the modules that a file declares under `#[cfg(test)]`.
fn test_modules(source: &Source) -> Vec<String> {
    let code = super::lexer::blank(&source.text);
    let declared = code.match_indices("#[cfg(test)]").filter_map(|(at, attribute)| {
        let rest = code[at + attribute.len()..].trim_start();
        rest.strip_prefix("pub(super) ")
            .unwrap_or(rest)
            .strip_prefix("mod ")?
            .split_once(';')
            .map(|(name, _)| name.trim().to_owned())
    });
    let folder = match source.path.strip_suffix("/mod.rs").or_else(|| source.path.strip_suffix("/lib.rs")) {
        Some(folder) => folder,
        None => source.path.trim_end_matches(".rs"),
    };
    declared.filter(|name| !name.contains('{')).map(|name| format!("{folder}/{name}")).collect()
}

/// The code with every `#[cfg(test)]` item that has a body blank.
fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    let attributes =
        ["#[cfg(test)]", "#[cfg(all(test,"].into_iter().flat_map(|attribute| code.match_indices(attribute));
    for (at, _) in attributes {
        let body = code[at..].find('{').map(|open| at + open);
        let declaration = code[at..].find(';').map_or(usize::MAX, |end| at + end);
        if let Some(open) = body.filter(|open| *open < declaration) {
            let end = super::lexer::closing(code, open);
            out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
    }
    String::from_utf8(out).unwrap()
}
