//! A client's file, read and written anew.

use std::path::Path;

use super::secrets;
use crate::config::{
    Place, clients,
    environment::{Environment, ProcessEnvironment},
    load::{build_tree, directory, read_text},
    problem::{Note, Problem, ProblemKind, Problems, Remark},
    settings::Settings,
    tree::{self, Format, Node, Value},
    yaml_text,
};

/// The first lines of a file that was imported.
const HEAD: &str =
    "# Imported from a client's configuration. Secrets are references: set the variables where Myelin runs.
";

/// What became of a client's configuration.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What the file says, as far as it can be resolved here: absent when a variable or a file that it refers to is not there.
    pub settings: Option<Settings>,
    /// The same as Myelin's own configuration, without secrets.
    pub yaml: String,
    /// What was left out, replaced or renamed.
    pub notes: Vec<Note>,
}

/// Reads a client's configuration, recognised by its shape.
///
/// # Errors
/// Everything that is wrong with the file, except for references that cannot be resolved here: those are notes.
pub fn import(path: &Path) -> Result<Imported, Problems> {
    let origin = path.display().to_string();
    let text = read_text(path).map_err(|kind| Problems::of_file(&origin, kind))?;
    let environment = ProcessEnvironment::new(directory(path));
    import_text(&text, &origin, Format::detect(path, &text), &environment)
}

/// Reads a client's configuration in `text`, which messages call `origin`.
///
/// # Errors
/// As [`import`].
pub fn import_text(
    text: &str,
    origin: &str,
    format: Format,
    environment: &dyn Environment,
) -> Result<Imported, Problems> {
    translated(text, format, environment).map_err(|problems| Problems::new(origin, problems))
}

fn translated(text: &str, format: Format, environment: &dyn Environment) -> Result<Imported, Vec<Problem>> {
    let written = tree::read(text, format)?;
    let Some(dialect) = clients::recognise(&written, format) else {
        let kind = ProblemKind::NotAClient(
            "none of the shapes that are known; a configuration of Myelin's own needs no import",
        );
        return Err(vec![Problem { place: Place::file(), kind }]);
    };
    let (mut root, mut notes) = clients::translate(dialect, &written);
    let built = build_tree(&root, environment);
    let settings = built.problems.is_empty().then_some(built.settings);
    let ignored = built.notes.iter().filter(|note| matches!(note.remark, Remark::Ignored | Remark::OwnHeader));
    for note in ignored {
        remove(&mut root, &Place::root(written.at), &note.place);
    }
    notes.extend(built.notes);
    notes.extend(unresolved(built.problems)?);
    let yaml = format!("{HEAD}{}", yaml_text::write(&secrets::replace(root, &mut notes)));
    Ok(Imported { settings, yaml, notes })
}

/// The problems as notes, when all of them are about references that another machine can resolve.
fn unresolved(problems: Vec<Problem>) -> Result<Vec<Note>, Vec<Problem>> {
    let remark = |problem: &Problem| match &problem.kind {
        ProblemKind::Unset { name } => Some(Remark::VariableUnset { name: name.clone() }),
        ProblemKind::UnreadableSecret { path, .. } => Some(Remark::FileUnreadable { path: path.clone() }),
        _ => None,
    };
    let (notes, other): (Vec<_>, Vec<_>) = problems.into_iter().partition(|problem| remark(problem).is_some());
    if !other.is_empty() {
        return Err(other);
    }
    Ok(notes
        .iter()
        .filter_map(|problem| Some(Note { place: problem.place.clone(), remark: remark(problem)? }))
        .collect())
}

/// Removes the key at `goal` from the mapping at `here`, or from one below it.
fn remove(node: &mut Node, here: &Place, goal: &Place) {
    if let Value::Map(entries) = &mut node.value {
        entries.retain(|entry| here.key(&entry.key, entry.at).path != goal.path);
        for entry in entries {
            let below = here.key(&entry.key, entry.at);
            remove(&mut entry.value, &below, goal);
        }
    }
}
