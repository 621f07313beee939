//! What there is of a server's lists for a caller: also of a server that was never reached.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use crate::{
    mcp::{Caller, Entry, ListKind, Principal},
    telemetry::label::ListSource,
};

use super::{
    group::{Content, Group, GroupKey, Look, Owner, Part, beginning},
    pool::Upstream,
};

impl Upstream {
    /// Whether it was reached since the gateway started.
    pub fn is_reached(&self) -> bool {
        self.found().is_some()
    }

    /// What of a list is offered.
    pub(super) fn sift(&self, kind: ListKind, listed: &[Entry]) -> Vec<Entry> {
        self.screening().sift(self.name(), kind, listed.to_vec())
    }

    /// When the oldest list was read that it should have listed anew and did not: since 1970, or `None` for one that was never read.
    pub fn behind(&self) -> Option<Option<Duration>> {
        self.groups_now().iter().filter_map(|group| group.behind()).min()
    }

    /// A list of it went to somebody.
    pub fn served(&self, from: ListSource) {
        self.metrics().list(from);
    }

    /// What there is of a list of a caller's at once, for callers who would wait for it that long.
    pub fn look(self: &Arc<Self>, caller: &Arc<Caller>, kind: ListKind, content: Content) -> Look {
        let deadline = self.lists().deadline;
        if let Some(group) = self.group_now(caller) {
            return group.look(kind, content, deadline);
        }
        if !self.reach.is_late(deadline) {
            return Look::Wait;
        }
        Look::Now(self.part_of_late(caller, kind))
    }

    /// The part of a server that did not answer in time: it is asked again meanwhile.
    pub fn part_of_late(self: &Arc<Self>, caller: &Arc<Caller>, kind: ListKind) -> Part {
        if let Some(group) = self.group_now(caller) {
            return group.part_of_late(kind);
        }
        if self.reach.may_begin() {
            let (upstream, caller) = (self.clone(), caller.clone());
            let mut errands = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
            while errands.try_join_next().is_some() {}
            errands.spawn(async move { drop(upstream.group(&caller).await) });
        }
        Part::MISSING
    }

    /// Whoever has a connection has another one: what was read with it may be otherwise by now.
    pub fn outdate(&self, principal: &str) {
        let groups = self.lock_groups();
        let theirs =
            groups.iter().filter(|(key, _)| matches!(&key.owner, Owner::Principal(owner) if **owner == *principal));
        theirs.for_each(|(_, group)| group.outdate());
    }

    /// A group with what is kept for its principal from before.
    pub(super) fn new_group(self: &Arc<Self>, key: GroupKey, principal: &Principal) -> Group {
        let reader = (key.owner != Owner::Everybody).then(|| Arc::from(principal.id()));
        let beginning = beginning(self, reader.clone());
        Group::new(self.clone(), key, reader, beginning)
    }
}
