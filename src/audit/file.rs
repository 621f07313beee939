//! The file, and those that were set aside.
//!
//! One process has it at a time, by a lock. Only whole lines stay in it: what a failed write left behind is cut off at once, what a crash
//! left behind at the next start.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::chain::{Hasher, Head};

/// The longest line that is read back: arguments are bounded by the largest body, and JSON escapes make six bytes of one at the worst.
pub(super) const MAX_LINE: u64 = 64 << 20;
/// Digits of the number behind the name of a file that was set aside: names sort like numbers.
const DIGITS: usize = 12;

/// Why the audit log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// The file cannot be opened, read or cut.
    #[error("the audit log {} cannot be used", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// Another process writes it.
    #[error("the audit log {} is written by another process", .0.display())]
    Locked(PathBuf),
    /// A pattern is no glob.
    #[error("a rule for arguments has a pattern that is no glob")]
    Pattern(#[source] globset::Error),
    /// No thread can be started.
    #[error("the operating system gives no thread to write the audit log with")]
    Thread(#[source] io::Error),
}

/// The file that is written.
pub(super) struct Trail {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
    /// Number and time of the first line, once there is one.
    first: Option<(u64, Duration)>,
}

/// What was found in a file that was there.
pub(super) struct Found {
    pub(super) head: Head,
    pub(super) last: Last,
    /// Bytes at the end that are no whole line; they were moved into a file of their own.
    pub(super) torn: Option<Vec<u8>>,
}

/// What the last line is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// There is none.
    None,
    /// It has the hash that it should have.
    Good,
    /// It was changed, or made with another key.
    Doubtful,
}

/// The members of a line that the chain goes on from.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    hash: String,
}

impl Trail {
    /// Opens the file; makes it where there is none.
    pub(super) fn open(path: &Path, hasher: &Hasher, now: Duration) -> Result<(Self, Found), AuditFault> {
        let fault = |error| AuditFault::File(path.to_owned(), error);
        let file = options().open(path).map_err(fault)?;
        if file.try_lock().is_err() {
            return Err(AuditFault::Locked(path.to_owned()));
        }
        let length = file.metadata().map_err(fault)?.len();
        let mut trail = Self { path: path.to_owned(), file, length, first: None };
        let found = trail.recover(hasher).map_err(fault)?;
        let first = trail.first_seq().map_err(fault)?;
        trail.first = first.map(|seq| (seq, trail.born().unwrap_or(now)));
        Ok((trail, found))
    }

    /// Appends whole lines. When it fails, nothing of them is in the file.
    pub(super) fn append(&mut self, lines: &[u8], seq: u64, now: Duration) -> io::Result<()> {
        if let Err(error) = self.file.write_all(lines) {
            // Where not even that is possible, the next start finds a torn line.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += u64::try_from(lines.len()).unwrap_or(u64::MAX);
        self.first.get_or_insert((seq, now));
        Ok(())
    }

    /// Waits for the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// How long ago its first line was written.
    pub(super) fn age(&self, now: Duration) -> Duration {
        self.first.map_or(Duration::ZERO, |(_, born)| now.saturating_sub(born))
    }

    /// Sets the file aside and begins another. When it fails, the old one goes on.
    pub(super) fn rotate(&mut self) -> io::Result<PathBuf> {
        self.sync()?;
        let (first, _) = self.first.unwrap_or_default();
        let aside = named(&self.path, first);
        fs::rename(&self.path, &aside)?;
        match options()
            .create_new(true)
            .open(&self.path)
            .and_then(|file| file.try_lock().map(|()| file).map_err(io::Error::from))
        {
            Ok(file) => {
                *self = Self { path: std::mem::take(&mut self.path), file, length: 0, first: None };
                Ok(aside)
            }
            Err(error) => {
                fs::rename(&aside, &self.path)?;
                Err(error)
            }
        }
    }

    /// Removes all but the newest `keep` files that were set aside; answers with the names of those that went.
    pub(super) fn prune(&self, keep: usize) -> io::Result<Vec<String>> {
        let mut aside = set_aside(&self.path)?;
        aside.truncate(aside.len().saturating_sub(keep));
        let mut gone = Vec::new();
        for path in aside {
            fs::remove_file(&path)?;
            gone.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        Ok(gone)
    }

    /// Where the chain stands, after what is no whole line was moved away.
    fn recover(&mut self, hasher: &Hasher) -> io::Result<Found> {
        let (last, whole) = last_line(&mut self.file, self.length)?;
        let torn = if whole < self.length { Some(self.cut(whole)?) } else { None };
        let last = match last {
            Some(line) => Some(line),
            None => self.last_of_the_others()?,
        };
        let Some(line) = last else { return Ok(Found { head: Head::START, last: Last::None, torn }) };
        let (head, last) = match (read_link(&line), hasher.vouches_for(&line)) {
            (Some(head), Some(hash)) if head.hash == hash => (head, Last::Good),
            (head, _) => (head.unwrap_or(Head::START), Last::Doubtful),
        };
        Ok(Found { head, last, torn })
    }

    /// Moves the end of the file into `FILE.torn`.
    fn cut(&mut self, whole: u64) -> io::Result<Vec<u8>> {
        let mut torn = Vec::new();
        self.file.seek(SeekFrom::Start(whole))?;
        (&mut self.file).take(MAX_LINE).read_to_end(&mut torn)?;
        let mut aside = options().open(suffixed(&self.path, "torn"))?;
        aside.write_all(&torn)?;
        aside.write_all(b"\n")?;
        aside.sync_data()?;
        self.file.set_len(whole)?;
        self.length = whole;
        Ok(torn)
    }

    /// The end of the newest file that was set aside: a crash between setting aside and beginning anew leaves an empty one.
    fn last_of_the_others(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(newest) = set_aside(&self.path)?.pop() else { return Ok(None) };
        let mut file = File::open(newest)?;
        let length = file.metadata()?.len();
        Ok(last_line(&mut file, length)?.0)
    }

    fn first_seq(&mut self) -> io::Result<Option<u64>> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut line = Vec::new();
        BufReader::new((&mut self.file).take(self.length.min(MAX_LINE))).read_until(b'\n', &mut line)?;
        Ok(read_link(line.trim_ascii_end()).map(|head| head.seq))
    }

    /// When the file came to be, where the file system knows it.
    fn born(&self) -> Option<Duration> {
        let created = self.file.metadata().ok()?.created().ok()?;
        created.duration_since(std::time::UNIX_EPOCH).ok()
    }
}

/// The files that were set aside beside `path`, the oldest first.
pub(super) fn set_aside(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(Vec::new()) };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let own = format!("{}.", name.to_string_lossy());
    let is_aside = |name: &str| {
        name.strip_prefix(&own)
            .is_some_and(|rest| rest.len() >= DIGITS && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_aside) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The last whole line without its end, and how far whole lines reach.
fn last_line(file: &mut File, length: u64) -> io::Result<(Option<Vec<u8>>, u64)> {
    let mut window = 64 << 10;
    loop {
        let start = length.saturating_sub(window);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        (&mut *file).take(window.min(length)).read_to_end(&mut tail)?;
        let end = memchr::memrchr(b'\n', &tail);
        let begin = end.and_then(|end| memchr::memrchr(b'\n', tail.get(..end)?)).map(|at| at + 1);
        match (end, begin) {
            (Some(end), begin) if begin.is_some() || start == 0 => {
                let line = tail.get(begin.unwrap_or(0)..end).unwrap_or_default().to_vec();
                return Ok((Some(line), start + u64::try_from(end).unwrap_or(0) + 1));
            }
            (None, _) if start == 0 => return Ok((None, 0)),
            _ if window >= MAX_LINE => return Err(io::ErrorKind::InvalidData.into()),
            _ => window *= 4,
        }
    }
}

/// Number and hash of a line, whatever they are worth.
pub(super) fn read_link(line: &[u8]) -> Option<Head> {
    let link: Link = serde_json::from_slice(line).ok()?;
    format!("{}:{}", link.seq, link.hash).parse().ok()
}

fn named(path: &Path, first: u64) -> PathBuf {
    suffixed(path, &format!("{first:0DIGITS$}"))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Whoever is not the gateway's user has no business in it.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options
}
