//! The thread that chains lines and writes them.

use std::{io, sync::Arc, thread, time::Duration};

use serde_json::json;

use super::{
    arguments::Arguments,
    chain::{Chain, sha256},
    draft::Batch,
    file::{Found, Last, Trail},
    line::Event,
    queue::{Lost, Queue, Unwritten},
    record::{Note, moment},
    settings::AuditSettings,
};
use crate::{clock, telemetry::METRICS};

/// How long lines wait for others: one system call for all of them, and few enough that they are still in the cache.
const GATHER: Duration = Duration::from_millis(5);
/// Bytes of the buffer that are kept for the next lines.
const MAX_BUFFER: usize = 1 << 20;
/// How long to wait before the next attempt when one failed.
const RETRY: Duration = Duration::from_millis(500);

/// Where lines go. The file, but for tests of what happens when it cannot be written.
pub(super) trait Sink: Send {
    /// Appends whole lines, all or none of them; `seq` is the number of the first.
    fn append(&mut self, lines: &[u8], seq: u64, now: Duration) -> io::Result<()>;
    /// Waits for the disk.
    fn sync(&self) -> io::Result<()>;
    /// Begins a new file if the old one is large or old enough; answers what there is to say about it.
    fn rotate(&mut self, now: Duration) -> io::Result<Option<Note>>;
}

/// The file, and when it is set aside.
pub(super) struct Files {
    pub(super) trail: Trail,
    pub(super) settings: AuditSettings,
}

impl Sink for Files {
    fn append(&mut self, lines: &[u8], seq: u64, now: Duration) -> io::Result<()> {
        self.trail.append(lines, seq, now)
    }

    fn sync(&self) -> io::Result<()> {
        self.trail.sync()
    }

    fn rotate(&mut self, now: Duration) -> io::Result<Option<Note>> {
        let is_old = self.settings.max_age.is_some_and(|most| self.trail.age(now) >= most);
        if self.trail.length() == 0 || !(is_old || self.trail.length() >= self.settings.max_size_bytes) {
            return Ok(None);
        }
        let aside = self.trail.rotate()?;
        let name = aside.file_name().map(|name| name.to_string_lossy().into_owned());
        let removed = self.settings.keep.map(|keep| self.trail.prune(keep)).transpose()?.unwrap_or_default();
        Ok(Some(Note::new(Event::Rotate, now, [("previous", json!(name)), ("removed", json!(removed))])))
    }
}

/// The writer.
pub(super) struct Writer<S> {
    queue: Arc<Queue>,
    chain: Chain,
    arguments: Arc<Arguments>,
    sink: S,
    sync: Duration,
    /// What was taken from the queue last; empty between two turns.
    batch: Batch,
    /// Lines that are made and not written, and the number of the first.
    pending: (Vec<u8>, u64),
    /// When the first line was written that the disk did not confirm.
    unsynced: Option<std::time::Instant>,
    failing: Failing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Failing {
    No,
    Yes,
}

impl<S: Sink> Writer<S> {
    pub(super) fn new(queue: Arc<Queue>, chain: Chain, arguments: Arc<Arguments>, sink: S, sync: Duration) -> Self {
        let first = chain.head.seq.saturating_add(1);
        let pending = (Vec::new(), first);
        Self {
            queue,
            chain,
            arguments,
            sink,
            sync,
            batch: Batch::default(),
            pending,
            unsynced: None,
            failing: Failing::No,
        }
    }

    /// What the first line of a run says, and before it what was found.
    pub(super) fn begin(&mut self, found: &Found, now: Duration, detail: serde_json::Map<String, serde_json::Value>) {
        if let Some(torn) = &found.torn {
            let members = [("bytes", json!(torn.len())), ("sha256", json!(sha256(torn)))];
            self.note(&Note::new(Event::Torn, now, members));
        }
        let follows = match found.last {
            Last::None => "nothing",
            Last::Good => "a line that holds",
            Last::Doubtful => "a line that does not hold",
        };
        let mut note =
            Note::new(Event::Start, now, [("follows", json!(follows)), ("keyed", json!(self.chain.is_keyed()))]);
        note.detail.extend(detail);
        self.note(&note);
    }

    /// Runs until it is told to end.
    pub(super) fn run(mut self) {
        loop {
            self.flush();
            if self.queue.is_closing() {
                self.finish();
                let queue = self.queue.clone();
                // With the file goes its lock: whoever waits for the end may open it anew.
                drop(self);
                return queue.is_done();
            }
            self.queue.wait(self.patience());
            if !self.queue.is_closing() {
                thread::sleep(if self.failing == Failing::Yes { RETRY } else { GATHER });
            }
            if self.pending.0.is_empty() {
                self.make();
            }
        }
    }

    /// The last lines. What cannot be written now is lost with the process; it is counted, and the log says so.
    fn finish(&mut self) {
        self.make();
        let now = clock::unix_time();
        self.note(&Note::new(Event::Stop, now, []));
        // No file begins with the end.
        self.append(now);
        self.confirm();
        if !self.pending.0.is_empty() {
            tracing::error!(bytes = self.pending.0.len(), "the audit log could not be written to its end");
        }
    }

    const fn patience(&self) -> Option<Duration> {
        match (self.failing, self.unsynced) {
            (Failing::Yes, _) => Some(RETRY),
            (Failing::No, Some(_)) => Some(self.sync),
            (Failing::No, None) => None,
        }
    }

    /// Chains all that waits.
    fn make(&mut self) {
        let Unwritten { lost, suppressed } = self.queue.take(&mut self.batch);
        self.chain();
        self.say(lost, Event::Lost);
        self.say(suppressed, Event::Refused);
    }

    fn say(&mut self, lost: Lost, event: Event) {
        if lost.count > 0 {
            let members =
                [("count", json!(lost.count)), ("from", json!(moment(lost.from))), ("to", json!(moment(lost.to)))];
            self.note(&Note::new(event, clock::unix_time(), members));
        }
    }

    fn note(&mut self, note: &Note) {
        self.batch.push(note.draft());
        self.chain();
    }

    fn chain(&mut self) {
        let Self { batch, chain, pending, arguments, .. } = self;
        METRICS.audit_lines.inc_by(u64::try_from(batch.len()).unwrap_or_default());
        batch.drain(arguments, |line| chain.seal(line, &mut pending.0));
    }

    /// Writes what is made, and waits for the disk when it is time.
    fn flush(&mut self) {
        if !self.pending.0.is_empty() {
            let now = clock::unix_time();
            if self.append(now) && self.rotate(now) {
                // The first line of the new file says what it follows.
                self.append(now);
            }
        }
        if self.unsynced.is_some_and(|since| clock::now().saturating_duration_since(since) >= self.sync) {
            self.confirm();
        }
    }

    fn append(&mut self, now: Duration) -> bool {
        let written = self.sink.append(&self.pending.0, self.pending.1, now);
        let is_written = self.reports(written);
        if is_written {
            self.pending.0.clear();
            self.pending.0.shrink_to(MAX_BUFFER);
            self.pending.1 = self.chain.head.seq.saturating_add(1);
            self.unsynced.get_or_insert_with(clock::now);
        }
        is_written
    }

    fn confirm(&mut self) {
        if self.unsynced.is_some() {
            let synced = self.sink.sync();
            if self.reports(synced) {
                self.unsynced = None;
            }
        }
    }

    /// Whether a new file began, with a line that is still to be written.
    fn rotate(&mut self, now: Duration) -> bool {
        match self.sink.rotate(now) {
            Ok(Some(note)) => {
                self.note(&note);
                true
            }
            Ok(None) => false,
            Err(error) => {
                METRICS.audit_failures.inc();
                tracing::error!(%error, "the audit log cannot be set aside; the file goes on");
                false
            }
        }
    }

    /// Whether it went well. Both changes of state are told.
    fn reports(&mut self, result: io::Result<()>) -> bool {
        match (result, self.failing) {
            (Ok(()), Failing::No) => true,
            (Ok(()), Failing::Yes) => {
                tracing::info!("the audit log is written again");
                self.failing = Failing::No;
                self.queue.fails(false);
                true
            }
            (Err(error), before) => {
                METRICS.audit_failures.inc();
                if before == Failing::No {
                    tracing::error!(%error, "the audit log cannot be written");
                }
                self.failing = Failing::Yes;
                self.queue.fails(true);
                false
            }
        }
    }
}
