//! Whether the lines of files hang together: nothing changed, taken out, put in or put elsewhere.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    chain::{Hasher, Head},
    file::{MAX_LINE, set_aside},
    line::Event,
};
use crate::redact::Redacted;

/// Looks through files.
pub struct Verifier {
    hasher: Hasher,
    expected: Option<Head>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The files in the order of their lines.
    pub files: Vec<PathBuf>,
    /// Lines that hold.
    pub lines: u64,
    /// The number of the first line: above 1, older files are not here.
    pub first: u64,
    /// Where the chain stands after the last line that holds.
    pub head: Option<Head>,
    /// What the lines say of themselves to be missing.
    pub lost: u64,
    /// Whether the last line says that the gateway stopped in order.
    pub is_closed: bool,
    /// The first thing that is wrong.
    pub broken: Option<Break>,
}

/// Where a chain breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {what}", .file.display())]
pub struct Break {
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: Wrong,
}

/// What can be wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It is no line of an audit log.
    #[error("not a line of an audit log")]
    NoLine,
    /// Its hash is not that of its bytes.
    #[error("the line was changed, or made with another key")]
    Changed,
    /// Lines are missing before it, or it comes twice.
    #[error("line number {found} comes where {expected} should: lines were taken out, put in or put elsewhere")]
    Number {
        /// The number that it should have.
        expected: u64,
        /// The number that it has.
        found: u64,
    },
    /// The line before is another one than it was made after.
    #[error("it was made after another line than the one that stands before it")]
    Unchained,
    /// The file ends within a line.
    #[error("the file ends within a line")]
    Torn,
    /// The line that was expected to be there is not: the end was taken off.
    #[error("the expected line {0} is not there: lines were taken off the end, or all were made anew")]
    Expected(u64),
}

/// Why files cannot be looked through.
#[derive(Debug, thiserror::Error)]
pub enum VerifyFault {
    /// A file cannot be read.
    #[error("{} cannot be read", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// There is none.
    #[error("there is no line in any of the files")]
    Empty,
}

#[derive(Deserialize)]
struct Checked {
    seq: u64,
    prev: String,
    event: Event,
    #[serde(default)]
    detail: serde_json::Map<String, serde_json::Value>,
}

impl Verifier {
    /// One that knows the key, if there is one, and a head that must be among the lines.
    pub fn new(key: Option<&Redacted<String>>, expected: Option<Head>) -> Self {
        Self { hasher: Hasher::new(key), expected }
    }

    /// Looks through files and those that were set aside beside them.
    ///
    /// # Errors
    /// [`VerifyFault`]: what is wrong with lines is in the report.
    pub fn verify(&self, given: &[PathBuf]) -> Result<Report, VerifyFault> {
        let mut report = Report { files: in_order(given)?, ..Report::default() };
        let mut expected = self.expected;
        for file in report.files.clone() {
            let fault = |error| VerifyFault::File(file.clone(), error);
            let mut reader = BufReader::new(File::open(&file).map_err(fault)?);
            let mut number = 0;
            let mut line = Vec::new();
            loop {
                line.clear();
                let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).map_err(fault)?;
                if read == 0 {
                    break;
                }
                number += 1;
                if let Err(what) = self.line(&line, &mut report) {
                    report.broken = Some(Break { file, line: number, what });
                    return Ok(report);
                }
                expected = expected.filter(|expected| report.head != Some(*expected));
            }
        }
        if let (Some(missing), Some(file)) = (expected, report.files.last()) {
            report.broken = Some(Break { file: file.clone(), line: 0, what: Wrong::Expected(missing.seq) });
        }
        Ok(report)
    }

    fn line(&self, line: &[u8], report: &mut Report) -> Result<(), Wrong> {
        let line = line.strip_suffix(b"\n").ok_or(Wrong::Torn)?;
        let checked: Checked = serde_json::from_slice(line).map_err(|_| Wrong::NoLine)?;
        let hash = self.hasher.vouches_for(line).ok_or(Wrong::Changed)?;
        match report.head {
            None => report.first = checked.seq,
            Some(head) if head.seq + 1 != checked.seq => {
                return Err(Wrong::Number { expected: head.seq + 1, found: checked.seq });
            }
            Some(head) if head.hex() != checked.prev => return Err(Wrong::Unchained),
            Some(_) => (),
        }
        if report.head.is_none() && checked.seq == 1 && checked.prev != Head::START.hex() {
            return Err(Wrong::Unchained);
        }
        report.head = Some(Head { seq: checked.seq, hash });
        report.lines += 1;
        report.is_closed = checked.event == Event::Stop;
        if checked.event == Event::Lost {
            report.lost += checked.detail.get("count").and_then(serde_json::Value::as_u64).unwrap_or(0);
        }
        Ok(())
    }
}

/// The files and their older parts, by the numbers of their first lines. One without a line has nothing to say.
fn in_order(given: &[PathBuf]) -> Result<Vec<PathBuf>, VerifyFault> {
    let mut files: Vec<(u64, PathBuf)> = Vec::new();
    for path in given {
        let older = set_aside(path).map_err(|error| VerifyFault::File(path.clone(), error))?;
        for file in older.into_iter().chain([path.clone()]) {
            let first = first_number(&file).map_err(|error| VerifyFault::File(file.clone(), error))?;
            if let Some(first) = first
                && !files.iter().any(|(_, known)| *known == file)
            {
                files.push((first, file));
            }
        }
    }
    files.sort();
    if files.is_empty() { Err(VerifyFault::Empty) } else { Ok(files.into_iter().map(|(_, file)| file).collect()) }
}

/// The number of the first line; that of no line counts as 0, so that it is looked at first.
fn first_number(path: &Path) -> io::Result<Option<u64>> {
    let mut line = Vec::new();
    let read = BufReader::new(File::open(path)?.take(MAX_LINE)).read_until(b'\n', &mut line)?;
    let number = serde_json::from_slice::<Checked>(line.trim_ascii_end()).map_or(0, |checked| checked.seq);
    Ok((read > 0).then_some(number))
}
