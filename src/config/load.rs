//! From a file to settings.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    build, clients,
    environment::{Environment, ProcessEnvironment, read_at_most},
    keys::FileKeys,
    place::Place,
    problem::{Note, Problem, ProblemKind, Problems},
    settings::Settings,
    shape::{Reader, Shape},
    tree::{self, Format, MAX_FILE_BYTES, Node},
    watch::Sources,
};

/// A configuration that was read from a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What is worth knowing about the file.
    pub notes: Vec<Note>,
    /// The files that the settings came from.
    pub sources: Sources,
}

/// Settings and what was noticed on the way to them; they are whole only when there is no problem.
pub(super) struct Built {
    pub(super) settings: Settings,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<Note>,
    pub(super) files: Sources,
}

/// Reads the configuration at `path`: Myelin's own, or a client's, which is recognised by its shape.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let origin = path.display().to_string();
    let text = read_text(path).map_err(|kind| Problems::of_file(&origin, kind))?;
    let environment = ProcessEnvironment::new(directory(path));
    let mut built = build_text(&text, Format::detect(path, &text), &environment)
        .map_err(|problems| Problems::new(&origin, problems))?;
    built.files.add(path, Some(&text));
    Ok(Loaded { settings: built.settings, notes: built.notes, sources: built.files })
}

/// The files that the configuration at `path` comes from as it is now, those included that it names and that cannot be read: whatever
/// is wrong with it may be put right in any of them.
pub fn sources(path: &Path) -> Sources {
    let mut sources = Sources::of_file(path);
    if let Ok(text) = read_text(path)
        && let Ok(root) = read_tree(&text, Format::detect(path, &text))
    {
        sources = build_tree(&root.0, &ProcessEnvironment::new(directory(path))).files;
        sources.add(path, Some(&text));
    }
    sources
}

/// Reads the configuration in `text`, which messages call `origin`.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn parse(text: &str, origin: &str, format: Format, environment: &dyn Environment) -> Result<Settings, Problems> {
    let built = build_text(text, format, environment).map_err(|problems| Problems::new(origin, problems))?;
    Ok(built.settings)
}

fn build_text(text: &str, format: Format, environment: &dyn Environment) -> Result<Built, Vec<Problem>> {
    let (root, mut notes) = read_tree(text, format)?;
    let built = build_tree(&root, environment);
    if built.problems.is_empty() {
        notes.extend(built.notes.iter().cloned());
        Ok(Built { notes, ..built })
    } else {
        Err(built.problems)
    }
}

/// The tree in Myelin's own form.
fn read_tree(text: &str, format: Format) -> Result<(Node, Vec<Note>), Vec<Problem>> {
    let root = tree::read(text, format)?;
    Ok(match clients::recognise(&root, format) {
        Some(client) => clients::translate(client, &root),
        None => (root, Vec::new()),
    })
}

/// Both stages over a tree in Myelin's own form.
pub(super) fn build_tree(root: &Node, environment: &dyn Environment) -> Built {
    let mut reader = Reader::new(environment);
    let place = Place::root(root.at);
    let keys = FileKeys::read(root, &place, &mut reader).unwrap_or_default();
    let settings = build::settings(keys, &mut reader);
    build::note_emptiness(&settings, &place, &mut reader);
    Built { settings, problems: reader.problems, notes: reader.notes, files: reader.files }
}

/// The directory of the configuration at `path`.
pub(super) fn directory(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

/// The text of a file, when it is one and not too long.
pub(super) fn read_text(path: &Path) -> Result<String, ProblemKind> {
    let bytes = read_at_most(path, MAX_FILE_BYTES).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => ProblemKind::TooLarge { limit: MAX_FILE_BYTES },
        kind => ProblemKind::Unreadable(kind),
    })?;
    String::from_utf8(bytes).map_err(|_| ProblemKind::NotUtf8)
}
