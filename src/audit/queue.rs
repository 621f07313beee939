//! What waits to be written: bounded, and what does not fit is counted.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    draft::{Batch, Draft},
    line::Event,
};
use crate::telemetry::METRICS;

/// Bytes of lines and arguments that may wait: sixteen bodies of the largest size that is accepted by default.
const MAX_BYTES: usize = 64 << 20;
/// Refused requests that have a line of their own, in a second: whoever has no token must not be able to push other lines out.
const MAX_REFUSALS: u64 = 100;

/// Between the calls and the thread that writes.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    some: Condvar,
    done: Condvar,
    /// Lines at the most.
    max: usize,
    /// Calls that have a place and no line yet.
    places: AtomicUsize,
    /// Whether the last attempt to write failed.
    failing: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    batch: Batch,
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

/// What has no line of its own, to be said in one.
pub(super) struct Unwritten {
    pub(super) lost: Lost,
    pub(super) suppressed: Lost,
}

/// How a line comes.
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

    /// A place for a line that is to come, unless lines are not written or too many wait.
    pub(super) fn reserve(&self) -> bool {
        let waiting = self.lock();
        let taken = self.places.load(Ordering::Acquire);
        let has_room = waiting.batch.len() + taken < self.max && waiting.batch.bytes() < MAX_BYTES;
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

    /// Takes a line.
    pub(super) fn push(&self, draft: Draft, coming: Coming) {
        let mut waiting = self.lock();
        if coming == Coming::WithPlace {
            self.places.fetch_sub(1, Ordering::AcqRel);
        } else if waiting.batch.len() >= self.max || waiting.batch.bytes() >= MAX_BYTES {
            waiting.lost.add(draft.time);
            METRICS.audit_lost.inc();
            return;
        }
        if waiting.suppresses(&draft) {
            return;
        }
        let was_empty = waiting.batch.len() == 0;
        waiting.batch.push(draft);
        drop(waiting);
        if was_empty {
            self.some.notify_one();
        }
    }

    /// Waits for lines, for the end, or for so long.
    pub(super) fn wait(&self, patience: Option<Duration>) {
        let waiting = self.lock();
        let is_idle =
            |waiting: &mut Waiting| waiting.batch.len() == 0 && waiting.lost.count == 0 && !waiting.is_closing;
        match patience {
            Some(patience) => drop(self.some.wait_timeout_while(waiting, patience, is_idle)),
            None => drop(self.some.wait_while(waiting, is_idle)),
        }
    }

    /// Takes all that waits, for an empty batch.
    pub(super) fn take(&self, batch: &mut Batch) -> Unwritten {
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.batch, batch);
        Unwritten { lost: std::mem::take(&mut waiting.lost), suppressed: std::mem::take(&mut waiting.suppressed) }
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
        waiting.is_done && waiting.batch.len() == 0
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
    fn suppresses(&mut self, draft: &Draft) -> bool {
        // A count of those that have no line of their own comes from the writer and not through here.
        if draft.event != Event::Refused {
            return false;
        }
        let (second, count) = &mut self.refusals;
        if *second != draft.time.as_secs() {
            (*second, *count) = (draft.time.as_secs(), 0);
        }
        *count += 1;
        let is_too_many = *count > MAX_REFUSALS;
        if is_too_many {
            self.suppressed.add(draft.time);
        }
        is_too_many
    }
}
