//! What an upstream says to nobody in particular: changes, and messages that name no call.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::broadcast;

use crate::{
    mcp::{ListKind, Notice},
    telemetry::metrics::ServerMetrics,
};

use super::mailbox::{Dropped, Item, Mailbox};

/// Changes kept for a listener that is slow; one that falls further behind is told that everything changed.
const CAPACITY: usize = 256;

/// Fan-out of an upstream's notices to all who listen, and the age of its lists.
#[derive(Debug)]
pub(super) struct Bus {
    notices: broadcast::Sender<Notice>,
    generations: [AtomicU64; 4],
    metrics: ServerMetrics,
}

impl Bus {
    pub(super) fn new(metrics: ServerMetrics) -> Self {
        Self { notices: broadcast::Sender::new(CAPACITY), generations: Default::default(), metrics }
    }

    /// Tells all listeners. A changed list is outdated before anybody hears of it, or clients would read the old one again.
    pub(super) fn publish(&self, notice: Notice) {
        if let Notice::Changed(kind) = notice {
            self.outdate(kind);
        }
        // Nobody listening is no error.
        let _ = self.notices.send(notice);
    }

    /// Tells one call, and counts what it was too slow to read.
    pub(super) fn tell(&self, call: &Mailbox, item: Item) {
        if let Err(Dropped) = call.put(item) {
            self.metrics.dropped_notices().inc();
        }
    }

    /// Something may have been missed: everything counts as changed.
    pub(super) fn publish_gap(&self) {
        for kind in [ListKind::Tools, ListKind::Prompts, ListKind::Resources] {
            self.publish(Notice::Changed(kind));
        }
    }

    /// From now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// How often that list changed.
    pub(super) fn generation(&self, kind: ListKind) -> u64 {
        self.counter(kind).load(Ordering::Acquire)
    }

    fn outdate(&self, kind: ListKind) {
        self.counter(kind).fetch_add(1, Ordering::AcqRel);
        if kind == ListKind::Resources {
            self.counter(ListKind::Templates).fetch_add(1, Ordering::AcqRel);
        }
    }

    const fn counter(&self, kind: ListKind) -> &AtomicU64 {
        let [tools, prompts, resources, templates] = &self.generations;
        match kind {
            ListKind::Tools => tools,
            ListKind::Prompts => prompts,
            ListKind::Resources => resources,
            ListKind::Templates => templates,
        }
    }
}
