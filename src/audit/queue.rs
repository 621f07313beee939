//! What waits to be written: bounded, and what does not fit is counted.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::record::Record;
use crate::telemetry::METRICS;

/// Bytes of arguments that may wait: sixteen bodies of the largest size that is accepted by default.
const MAX_BYTES: usize = 64 << 20;
/// Refused requests that have a line of their own, in a second: whoever has no token must not be able to push other lines out.
const MAX_REFUSALS: u64 = 100;

/// Between the calls and the thread that writes.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    some: Condvar,
    done: Condvar,
    /// Records at the most.
    max: usize,
    /// Calls that have a place and no record yet.
    places: AtomicUsize,
    /// Whether the last attempt to write failed.
    failing: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    records: Vec<Record>,
    bytes: usize,
    lost: Lost,
    refusals: (u64, u64),
    suppressed: Lost,
    is_closing: bool,
    is_done: bool,
}

/// What has no line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) count: u64,
    /// The first and the last moment, since 1970.
    pub(super) from: Duration,
    pub(super) to: Duration,
}

/// What there is to be written.
pub(super) struct Taken {
    pub(super) records: Vec<Record>,
    pub(super) lost: Lost,
    pub(super) suppressed: Lost,
}

/// How a record comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Coming {
    /// Its place was taken before.
    WithPlace,
    /// If there is room.
    IfThereIsRoom,
}

impl Lost {
    fn add(&mut self, time: Duration) {
        if self.count == 0 {
            self.from = time;
        }
        self.count += 1;
        self.to = time;
    }
}

impl Queue {
    pub(super) fn new(max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            some: Condvar::new(),
            done: Condvar::new(),
            max,
            places: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
        }
    }

    /// Whether lines are written.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    pub(super) fn fails(&self, failing: bool) {
        self.failing.store(failing, Ordering::Release);
        METRICS.audit_failing.set(failing.into());
    }

    /// A place for a record that is to come, unless lines are not written or too many wait.
    pub(super) fn reserve(&self) -> bool {
        let waiting = self.lock();
        let taken = self.places.load(Ordering::Acquire);
        let has_room = waiting.records.len() + taken < self.max && waiting.bytes < MAX_BYTES;
        let is_given = has_room && !self.is_failing();
        if is_given {
            self.places.fetch_add(1, Ordering::AcqRel);
        }
        is_given
    }

    /// A place is not needed after all.
    pub(super) fn give_back(&self) {
        self.places.fetch_sub(1, Ordering::AcqRel);
    }

    /// Takes a record.
    pub(super) fn push(&self, record: Record, coming: Coming) {
        let mut waiting = self.lock();
        if coming == Coming::WithPlace {
            self.places.fetch_sub(1, Ordering::AcqRel);
        } else if waiting.records.len() >= self.max || waiting.bytes >= MAX_BYTES {
            waiting.lost.add(record.time());
            METRICS.audit_lost.inc();
            return;
        }
        if waiting.suppresses(&record) {
            return;
        }
        let was_empty = waiting.records.is_empty();
        waiting.bytes += record.bytes();
        waiting.records.push(record);
        drop(waiting);
        if was_empty {
            self.some.notify_one();
        }
    }

    /// Waits for records, for the end, or for so long.
    pub(super) fn wait(&self, patience: Option<Duration>) {
        let waiting = self.lock();
        let is_idle =
            |waiting: &mut Waiting| waiting.records.is_empty() && waiting.lost.count == 0 && !waiting.is_closing;
        match patience {
            Some(patience) => drop(self.some.wait_timeout_while(waiting, patience, is_idle)),
            None => drop(self.some.wait_while(waiting, is_idle)),
        }
    }

    /// Takes all that waits.
    pub(super) fn take(&self) -> Taken {
        let mut waiting = self.lock();
        waiting.bytes = 0;
        Taken {
            records: std::mem::take(&mut waiting.records),
            lost: std::mem::take(&mut waiting.lost),
            suppressed: std::mem::take(&mut waiting.suppressed),
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().is_closing
    }

    /// Asks for the end, and waits for it. Answers whether all was written.
    pub(super) fn close(&self, patience: Duration) -> bool {
        let mut waiting = self.lock();
        waiting.is_closing = true;
        self.some.notify_one();
        let (waiting, _) = self
            .done
            .wait_timeout_while(waiting, patience, |waiting| !waiting.is_done)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.is_done && waiting.records.is_empty()
    }

    pub(super) fn is_done(&self) {
        self.lock().is_done = true;
        self.done.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether it is one refusal too many in this second.
    fn suppresses(&mut self, record: &Record) -> bool {
        let Record::Refusal(refusal) = record else { return false };
        let (second, count) = &mut self.refusals;
        if *second != refusal.time.as_secs() {
            (*second, *count) = (refusal.time.as_secs(), 0);
        }
        *count += 1;
        let is_too_many = *count > MAX_REFUSALS;
        if is_too_many {
            self.suppressed.add(refusal.time);
        }
        is_too_many
    }
}
