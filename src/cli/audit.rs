//! `myelin audit`: whether an audit log holds, and where it stands.

use std::{io::Write, path::PathBuf};

use myelin::{
    audit::{Head, Report, Verifier},
    redact::Redacted,
};
use serde_json::json;

use super::{
    exit::Code,
    failure::Failure,
    terminal::{ERROR, WARNING, plain},
};

/// Look through an audit log
#[derive(Debug, clap::Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Verify(Verify),
    Head(ShowHead),
}

/// Say whether lines were changed, taken out, put in or put elsewhere
///
/// Files that were set aside beside a file are looked through with it. The exit code is 0 when all holds and 1 when not. Only a head that
/// was kept elsewhere (`myelin audit head`) shows whether lines were taken off the end.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  myelin audit verify /var/log/myelin/audit.jsonl
  myelin audit verify audit.jsonl --key-file /run/secrets/audit --head 4711:9f…")]
struct Verify {
    #[command(flatten)]
    log: Log,
    /// A line that must be there, as `myelin audit head` printed it
    #[arg(long, value_name = "NUMBER:HASH")]
    head: Option<Head>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print the number and hash of the last line, to be kept where the log's writer cannot change it
#[derive(Debug, clap::Args)]
struct ShowHead {
    #[command(flatten)]
    log: Log,
}

#[derive(Debug, clap::Args)]
struct Log {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A file with the key, where the configuration has `audit.key`
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Audit {
    pub(super) fn run(self) -> Result<Code, Failure> {
        match self.command {
            Command::Verify(verify) => verify.run(),
            Command::Head(head) => head.run(),
        }
    }
}

impl Log {
    fn verify(&self, head: Option<Head>) -> Result<Report, Failure> {
        let key = self.key_file.as_ref().map(|path| {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|source| Failure::Unreadable { path: path.clone(), source })?;
            // As references in the configuration read files.
            Ok::<_, Failure>(Redacted::new(text.trim_end_matches(['\n', '\r']).to_owned()))
        });
        let key = key.transpose()?;
        Verifier::new(key.as_ref(), head).verify(&self.files).map_err(Failure::Audit)
    }
}

impl Verify {
    fn run(self) -> Result<Code, Failure> {
        let report = self.log.verify(self.head)?;
        if self.json {
            writeln!(std::io::stdout(), "{}", to_json(&report))?;
        } else {
            print(&report)?;
        }
        Ok(if report.broken.is_some() { Code::ToolFailed } else { Code::Done })
    }
}

impl ShowHead {
    fn run(self) -> Result<Code, Failure> {
        let report = self.log.verify(None)?;
        match (report.broken, report.head) {
            (None, Some(head)) => {
                writeln!(std::io::stdout(), "{head}")?;
                Ok(Code::Done)
            }
            (Some(broken), _) => {
                anstream::eprintln!("{ERROR}error:{ERROR:#} {}", plain(&broken.to_string()));
                Ok(Code::ToolFailed)
            }
            (None, None) => Err(Failure::Audit(myelin::audit::VerifyFault::Empty)),
        }
    }
}

fn to_json(report: &Report) -> serde_json::Value {
    json!({
        "holds": report.broken.is_none(),
        "files": report.files,
        "lines": report.lines,
        "first": report.first,
        "head": report.head.map(|head| head.to_string()),
        "lost": report.lost,
        "closed": report.is_closed,
        "broken": report.broken.as_ref().map(|broken| {
            json!({ "file": broken.file, "line": broken.line, "what": broken.what.to_string() })
        }),
    })
}

fn print(report: &Report) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    let head = report.head.map(|head| head.to_string()).unwrap_or_default();
    let last = report.head.map_or(0, |head| head.seq);
    let (lines, first, files) = (report.lines, report.first, report.files.len());
    writeln!(out, "{lines} lines hold, number {first} to {last}, in {files} files")?;
    writeln!(out, "head {head}")?;
    if let Some(broken) = &report.broken {
        anstream::eprintln!("{ERROR}broken:{ERROR:#} {}", plain(&broken.to_string()));
        return Ok(());
    }
    if report.first > 1 {
        anstream::eprintln!("{WARNING}note:{WARNING:#} lines before number {first} are not in these files");
    }
    if report.lost > 0 {
        anstream::eprintln!(
            "{WARNING}note:{WARNING:#} {} lines could not be written, as the log itself says",
            report.lost
        );
    }
    if !report.is_closed {
        anstream::eprintln!(
            "{WARNING}note:{WARNING:#} the last line is no stop: the gateway runs, or ended without a word, or lines were taken off"
        );
    }
    Ok(())
}
