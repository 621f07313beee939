//! What an operator sees of a server, and may do with it.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use crate::{era::Era, mcp::UpstreamFault, telemetry::label::UpstreamState};

use super::{
    group::Group,
    peer::Peer,
    pool::Upstream,
    record::Record,
    remote::{Remote, RemoteStatus},
    shared_by::SharedBy,
    wire::stdio::Stderr,
};

/// How a server is.
#[derive(Clone, Debug)]
pub struct ServerStatus {
    /// What it is doing.
    pub state: UpstreamState,
    /// The era it was found to speak.
    pub era: Option<Era>,
    /// Its child processes or sessions.
    pub children: Vec<ChildStatus>,
    /// Children that were started ahead and are nobody's yet.
    pub spares: usize,
    /// Calls that wait for one of them.
    pub waiting: usize,
    /// Children that ended without being told to, since the server is configured.
    pub losses: u64,
    /// What went wrong last, and how long ago.
    pub last_error: Option<(UpstreamFault, Duration)>,
    /// Its replicas and its breaker, where it is reached over HTTP.
    pub remote: Option<RemoteStatus>,
    /// For how long it, or some key of it, has been left alone because it failed too often.
    pub parked: Option<Duration>,
}

/// How a child process or session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildStatus {
    /// The id of the process, if it is one: that of its guard.
    pub pid: Option<i32>,
    /// For how long it has been there.
    pub age: Duration,
    /// Calls that it has.
    pub in_flight: usize,
    /// Whether it gets more.
    pub takes_calls: TakesCalls,
    /// Who shares it.
    pub shared_by: SharedBy,
}

/// Whether a child gets more calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesCalls {
    /// It does.
    Yes,
    /// It finishes those that it has, and ends.
    NoMore,
}

/// How children are ended that are to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// They finish their calls; others are started for those that are in use, before they go.
    WhenCallsAreDone,
    /// At once; their calls fail.
    AtOnce,
}

impl Upstream {
    /// How it is now.
    pub fn status(&self) -> ServerStatus {
        let groups = self.groups_now();
        let children = groups.iter().flat_map(|group| group.children()).collect();
        let records = || self.records(&groups);
        ServerStatus {
            state: self.doing.now(),
            era: self.era(),
            children,
            spares: self.spares().len(),
            waiting: groups.iter().map(|group| group.waiting_now()).sum(),
            remote: self.remote.as_ref().map(Remote::status),
            losses: self.metrics().losses().get(),
            last_error: records().filter_map(Record::last).chain(self.reach.last_failure()).min_by_key(|(_, ago)| *ago),
            parked: records().filter_map(Record::parked).max(),
        }
    }

    /// How it failed as a whole, and how each of its keys did.
    fn records<'a>(&'a self, groups: &'a [Arc<Group>]) -> impl Iterator<Item = &'a Record> {
        std::iter::once(&self.record).chain(groups.iter().map(|group| group.record()))
    }

    /// What its children write to stderr.
    pub const fn stderr(&self) -> &Arc<Stderr> {
        &self.stderr
    }

    /// Starts it anew: whatever failed is forgotten, children are replaced, and one that was left alone is tried again. Answers with the
    /// number of children that are replaced; what becomes of them, [`Upstream::status`] tells.
    pub async fn restart(self: &Arc<Self>, how: Restart) -> usize {
        tracing::info!(server = &**self.name(), ?how, "server is restarted");
        if let Some(remote) = &self.remote {
            remote.release();
        }
        // What is being started just now is of before, too.
        let turn = self.probing.lock().await;
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.reach.forget_failure();
        self.record.release();
        let spares = self.spares().clear();
        drop(spares);
        drop(turn);
        self.is_released();
        let groups = self.groups_now();
        let mut replaced = 0;
        for group in &groups {
            group.record().release();
            for peer in group.peers_now() {
                replaced += 1;
                match how {
                    Restart::WhenCallsAreDone => {
                        // From now on, whatever becomes of its successor.
                        peer.retire();
                        group.replace_soon(peer);
                    }
                    Restart::AtOnce => peer.close().await,
                }
            }
            group.keep_least();
        }
        self.count_parked();
        self.stock_up();
        replaced
    }

    /// What keeps it from being started until somebody restarts it, if something does, and for how long.
    pub fn parked(&self) -> Option<(UpstreamFault, Duration)> {
        let groups = self.groups_now();
        let records = self.records(&groups);
        records.filter_map(|record| Some((record.last()?.0, record.parked()?))).max_by_key(|(_, since)| *since)
    }

    /// Tells the metrics how many keys are left alone.
    pub(super) fn count_parked(&self) {
        let groups = self.groups_now();
        let count = self.records(&groups).filter(|record| record.parked().is_some()).count();
        self.metrics().parked().set(count.try_into().unwrap_or(i64::MAX));
    }
}

impl Group {
    fn children(&self) -> Vec<ChildStatus> {
        let shared_by = SharedBy::of(self.owner());
        self.peers_now().iter().map(|peer| child(peer, shared_by)).collect()
    }
}

fn child(peer: &Peer, shared_by: SharedBy) -> ChildStatus {
    ChildStatus {
        pid: peer.pid(),
        age: peer.age(),
        in_flight: peer.leased(),
        takes_calls: if peer.takes_calls() { TakesCalls::Yes } else { TakesCalls::NoMore },
        shared_by,
    }
}
