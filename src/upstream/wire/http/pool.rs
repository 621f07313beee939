//! The open HTTP/1.1 connections of one upstream: those in use are counted, those at rest are kept, the last one used first.
//!
//! A connection is opened only by who holds a slot and found none at rest, so open connections never outnumber slots.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::{
    sync::Semaphore,
    time::{Instant as Deadline, timeout_at},
};

use super::{
    dial::timed_out,
    fault::{HttpFault, Phase},
    link::Link,
};
use crate::{clock, upstream::settings::HttpSettings};

pub(super) struct Pool {
    idle: Mutex<VecDeque<Box<Link>>>,
    slots: Semaphore,
    max: usize,
    max_idle: usize,
    /// Connections of an older generation are not kept: they were opened as somebody else, or to somebody who is trusted no more.
    generation: AtomicU64,
}

impl Pool {
    pub(super) fn new(settings: &HttpSettings) -> Arc<Self> {
        let slots = settings.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            idle: Mutex::default(),
            slots: Semaphore::new(slots),
            max: slots,
            max_idle: settings.max_idle_connections,
            generation: AtomicU64::new(0),
        })
    }

    /// What connections that are opened now belong to.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Closes the connections at rest; those in use are closed when they are given back.
    pub(super) fn renew(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        let closed = std::mem::take(&mut *self.lock());
        drop(closed);
    }

    /// How many rights are taken.
    pub(super) fn in_use(&self) -> usize {
        self.max.saturating_sub(self.slots.available_permits())
    }

    /// The right to have a connection, if there is one at once.
    pub(super) fn free_slot(self: &Arc<Self>) -> Option<Slot> {
        let permit = self.slots.try_acquire().ok()?;
        permit.forget();
        Some(Slot { pool: self.clone() })
    }

    /// The right to have a connection.
    ///
    /// # Cancel safety
    /// A dropped wait loses its place and nothing else.
    pub(super) async fn slot(self: &Arc<Self>, deadline: Deadline) -> Result<Slot, HttpFault> {
        match timeout_at(deadline, self.slots.acquire()).await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(Slot { pool: self.clone() })
            }
            Ok(Err(_)) | Err(_) => Err(timed_out(Phase::Slot)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Box<Link>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the last one put to rest, and the oldest too if it is due, so that a busy pool shrinks to what it needs.
    fn take(&self, now: Instant) -> (Option<Box<Link>>, Option<Box<Link>>) {
        let mut idle = self.lock();
        let last = idle.pop_back();
        let due = if idle.front().is_some_and(|oldest| oldest.is_stale(now)) { idle.pop_front() } else { None };
        (last, due)
    }

    fn keep(&self, link: Box<Link>) {
        let mut idle = self.lock();
        if idle.len() < self.max_idle && link.generation == self.generation() {
            idle.push_back(link);
        } else {
            // Closing is a system call: not under the lock.
            drop(idle);
            drop(link);
        }
    }
}

/// The right to have one connection.
pub(super) struct Slot {
    pool: Arc<Pool>,
}

impl Slot {
    /// A connection at rest that can be used.
    pub(super) fn idle_link(&self) -> Option<Box<Link>> {
        let now = clock::now();
        loop {
            let (last, _closed_here) = self.pool.take(now);
            let mut link = last?;
            if !link.is_stale(now) && link.is_usable() {
                return Some(link);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pool.slots.add_permits(1);
    }
}

/// A connection in use. Dropped, it is closed; the order of the fields closes it before another may open.
pub(super) struct Lease {
    pub(super) link: Box<Link>,
    pub(super) slot: Slot,
}

impl Lease {
    /// Gives the connection back after an answer was read to its end; one that cannot be used again is closed.
    pub(super) fn give_back(self) {
        let Self { mut link, slot } = self;
        if link.settle() {
            link.rest(clock::now());
            slot.pool.keep(link);
        } else {
            drop(link);
        }
        drop(slot);
    }
}
