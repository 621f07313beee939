//! What an upstream says to nobody in particular: changes, and messages that name no call.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::broadcast;

use crate::{
    jsonrpc::Raw,
    mcp::{ListKind, Notice},
    telemetry::metrics::ServerMetrics,
};

use super::mailbox::{Dropped, Item, Mailbox};

/// Changes kept for a listener that is slow; one that falls further behind is told that everything changed.
const CAPACITY: usize = 256;
/// The largest notice that is told to everybody: as many as are kept then take 16 MiB at the most. A larger one is dropped, and counted.
const MAX_NOTICE_BYTES: usize = 64 << 10;
/// URLs that users were sent to and that no server said were visited; the oldest are forgotten. A person visits them one by one.
const MAX_VISITS: usize = 256;

/// Fan-out of an upstream's notices to all who listen, and the age of its lists.
#[derive(Debug)]
pub(super) struct Bus {
    notices: broadcast::Sender<Notice>,
    generations: [AtomicU64; 4],
    metrics: ServerMetrics,
    /// Whose users were sent to URLs, by the id under which the server will say that they were there.
    visits: Mutex<VecDeque<(String, Arc<str>)>>,
}

impl Bus {
    pub(super) fn new(metrics: ServerMetrics) -> Self {
        Self {
            notices: broadcast::Sender::new(CAPACITY),
            generations: Default::default(),
            metrics,
            visits: Mutex::default(),
        }
    }

    /// Tells all listeners. A changed list is outdated before anybody hears of it, or clients would read the old one again.
    pub(super) fn publish(&self, notice: Notice) {
        let notice = match notice {
            Notice::Changed(kind) => {
                self.outdate(kind);
                notice
            }
            Notice::Elicited(params, _) => match self.visitor(&params) {
                Some(session) => Notice::Elicited(params, Some(session)),
                None => return,
            },
            notice => notice,
        };
        if bytes(&notice) > MAX_NOTICE_BYTES {
            self.metrics.dropped_notices().inc();
            return;
        }
        // Nobody listening is no error.
        let _ = self.notices.send(notice);
    }

    /// Tells all listeners of a list that is another one, and was read already.
    pub(super) fn announce(&self, kind: ListKind) {
        // Nobody listening is no error.
        let _ = self.notices.send(Notice::Changed(kind));
    }

    /// A session's user is sent to a URL.
    pub(super) fn expects_visit(&self, id: String, session: &Arc<str>) {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        if visits.len() >= MAX_VISITS {
            visits.pop_front();
        }
        visits.push_back((id, session.clone()));
    }

    /// The session whose user was sent to a URL: only it is told that the user was there.
    fn visitor(&self, params: &Raw) -> Option<Arc<str>> {
        let id = params.member("elicitationId")?;
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let place = visits.iter().position(|(known, _)| id.text().is_some_and(|id| *id == **known))?;
        visits.remove(place).map(|(_, session)| session)
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

fn bytes(notice: &Notice) -> usize {
    match notice {
        Notice::Progress(params)
        | Notice::Log(_, params)
        | Notice::Updated(_, params)
        | Notice::Elicited(params, _)
        | Notice::Extension(_, Some(params)) => params.bytes().len(),
        _ => 0,
    }
}
