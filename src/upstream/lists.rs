//! What there is of a server's lists for a caller: also of a server that was never reached.

use std::sync::{Arc, PoisonError};

use crate::{
    mcp::{Caller, ListKind},
    telemetry::label::ListSource,
};

use super::{
    group::{Content, Look, Part},
    pool::Upstream,
};

impl Upstream {
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
}
