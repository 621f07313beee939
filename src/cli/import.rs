//! `myelin import`: a client's configuration, written anew as Myelin's own.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use myelin::config::{self, Note};

use super::{
    exit::Code,
    failure::Failure,
    terminal::{GOOD, WARNING},
};

/// Turn a client's configuration into one of Myelin's own
///
/// Reads the files of Claude, Cursor, VS Code, Windsurf, Gemini, Zed, Codex and others. The YAML goes to stdout, with references in
/// place of secrets; what was left out, replaced or renamed is told on stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  myelin import .mcp.json --write myelin.yaml")]
pub(super) struct Import {
    /// The client's file
    file: PathBuf,
    /// Write here instead of to stdout; the file must not exist yet
    #[arg(long, value_name = "OUT")]
    write: Option<PathBuf>,
    /// Tell the notes as JSON
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let imported = config::import(&self.file)?;
        match &self.write {
            Some(out) => write(out, &imported.yaml)?,
            None => io::stdout().write_all(imported.yaml.as_bytes())?,
        }
        let origin = self.file.display().to_string();
        if self.json {
            let notes: serde_json::Value = imported.notes.iter().map(|note| note.to_json(&origin)).collect();
            writeln!(io::stderr(), "{notes:#}")?;
        } else {
            tell(&imported.notes);
        }
        if let (Some(out), false) = (&self.write, self.json) {
            let out = out.display();
            anstream::eprintln!("{GOOD}written:{GOOD:#} {out}; serve it with `myelin run {out}`");
        }
        Ok(Code::Done)
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let unwritable = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => Failure::Exists(path.to_owned()),
        _ => Failure::Unwritable { path: path.to_owned(), source },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)
}

/// Tells notes on stderr.
pub(super) fn tell(notes: &[Note]) {
    for note in notes {
        anstream::eprintln!("{WARNING}note:{WARNING:#} {note}");
    }
}
