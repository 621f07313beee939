//! References to what stands outside the file: `${env:NAME}`, `${file:/path}` and the clients' `${NAME:-default}`.
//!
//! The process environment and the file system are reached through [`Environment`], so that tests need neither. What a reference
//! stands for never appears in a message.

use std::{
    env, fs,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

use super::{problem::ProblemKind, watch::Sources};

/// As long as a configuration may be.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;
/// The longest file that a reference may name: secrets are short, and a wrong path must not fill the memory.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// What a configuration may refer to.
pub trait Environment {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file.
    ///
    /// # Errors
    /// What the file system says; [`io::ErrorKind::InvalidData`] when the file is no text, [`io::ErrorKind::FileTooLarge`] when it
    /// is longer than a secret can be.
    fn file(&self, path: &Path) -> io::Result<String>;

    /// The text of a file that is no secret, and may be long.
    ///
    /// # Errors
    /// As [`Environment::file`], with a limit of its own.
    fn document(&self, path: &Path) -> io::Result<String> {
        self.file(path)
    }

    /// The directory that relative paths start from: the configuration's own.
    fn directory(&self) -> &Path;

    /// Whether the log goes to a terminal.
    fn log_is_terminal(&self) -> bool;
}

/// The real environment of this process.
#[derive(Clone, Debug)]
pub struct ProcessEnvironment {
    directory: PathBuf,
}

impl ProcessEnvironment {
    /// For a configuration in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }
}

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        String::from_utf8(read_at_most(path, MAX_SECRET_BYTES)?).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    fn document(&self, path: &Path) -> io::Result<String> {
        String::from_utf8(read_at_most(path, MAX_DOCUMENT_BYTES)?).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    fn directory(&self) -> &Path {
        &self.directory
    }

    fn log_is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }
}

/// A file's content, refused when it is longer than `limit`.
pub(super) fn read_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(path)?.take(limit + 1).read_to_end(&mut content)?;
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    if length > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content) }
}

/// A piece of a value: text as it stands, or a reference.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Variable {
        name: &'a str,
        default: Option<&'a str>,
    },
    File(&'a str),
    /// An editor's question to its user.
    Input(&'a str),
    Malformed,
}

/// Cuts `text` into text and references.
pub(super) fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some(start) = text.find("${") {
        let (before, reference) = text.split_at(start);
        if let Some(plain) = before.strip_suffix('$') {
            // `$${` is how one writes `${` itself.
            pieces.extend([Piece::Text(plain), Piece::Text("${")]);
            text = reference.get(2..).unwrap_or_default();
            continue;
        }
        pieces.push(Piece::Text(before));
        let Some(end) = reference.find('}') else {
            pieces.push(Piece::Malformed);
            return pieces;
        };
        pieces.push(reference.get(2..end).map_or(Piece::Malformed, piece));
        text = reference.get(end + 1..).unwrap_or_default();
    }
    pieces.push(Piece::Text(text));
    pieces.retain(|piece| *piece != Piece::Text(""));
    pieces
}

/// The reference between `${` and `}`.
fn piece(inner: &str) -> Piece<'_> {
    if let Some(path) = inner.strip_prefix("file:") {
        return if path.is_empty() { Piece::Malformed } else { Piece::File(path) };
    }
    if let Some(id) = inner.strip_prefix("input:") {
        return Piece::Input(id);
    }
    let variable = inner.strip_prefix("env:").unwrap_or(inner);
    let (name, default) = variable.split_once(":-").map_or((variable, None), |(name, default)| (name, Some(default)));
    if is_variable_name(name) { Piece::Variable { name, default } } else { Piece::Malformed }
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `text` with its references replaced, and what could not be. The files that were named are added to `files`.
pub(super) fn expand(
    text: &str,
    environment: &dyn Environment,
    files: &mut Sources,
) -> Result<String, Vec<ProblemKind>> {
    let mut expanded = String::new();
    let mut problems = Vec::new();
    for piece in pieces(text) {
        match resolve(&piece, environment, files) {
            Ok(value) => expanded.push_str(&value),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(expanded) } else { Err(problems) }
}

fn resolve(piece: &Piece<'_>, environment: &dyn Environment, files: &mut Sources) -> Result<String, ProblemKind> {
    match *piece {
        Piece::Text(text) => Ok(text.to_owned()),
        Piece::Variable { name, default } => variable(name, default, environment),
        Piece::File(path) => {
            let path = environment.directory().join(path);
            let text = environment.file(&path);
            files.add(&path, text.as_deref().ok());
            // Editors and `kubectl create secret` leave a final line break that nobody means.
            let text = text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
            text.map_err(|error| ProblemKind::UnreadableSecret { path, kind: error.kind() })
        }
        Piece::Input(id) => Err(ProblemKind::Input { id: id.to_owned() }),
        Piece::Malformed => Err(ProblemKind::BadReference),
    }
}

/// As in a shell, the default of `:-` also stands in for an empty value.
fn variable(name: &str, default: Option<&str>, environment: &dyn Environment) -> Result<String, ProblemKind> {
    let value = environment.variable(name);
    match (value, default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(ProblemKind::Unset { name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_cut_out_of_the_text() {
        let variable = |name, default| Piece::Variable { name, default };
        assert_eq!(pieces("Bearer ${env:TOKEN}!"), [Piece::Text("Bearer "), variable("TOKEN", None), Piece::Text("!")]);
        assert_eq!(pieces("${A:-b}${file:/x}"), [variable("A", Some("b")), Piece::File("/x")]);
        assert_eq!(pieces("${input:key}"), [Piece::Input("key")]);
        assert_eq!(pieces("a$${b}"), [Piece::Text("a"), Piece::Text("${"), Piece::Text("b}")]);
        assert_eq!(pieces("$5 and $"), [Piece::Text("$5 and $")]);
    }

    #[test]
    fn what_is_no_reference_is_said_to_be_none() {
        for text in ["${", "${}", "${file:}", "${a b}", "${1A}", "${env:}", "${secret:x}"] {
            assert!(pieces(text).contains(&Piece::Malformed), "{text}");
        }
    }
}
