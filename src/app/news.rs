//! Whether a change of a list is one for its reader: what changes among things that a caller does not see is nothing to tell.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{
    mcp::{Caller, ListKind},
    upstream::Content,
};

use super::endpoint::Endpoint;

/// What a listener saw of each list when it last heard of it. Nothing where the list was not read yet: then every change is told.
pub(super) struct News([(ListKind, Option<u64>); 3]);

impl News {
    /// What is seen now.
    pub(super) fn of(endpoint: &Endpoint, caller: &Caller) -> Self {
        Self([ListKind::Tools, ListKind::Prompts, ListKind::Resources].map(|kind| (kind, endpoint.sight(caller, kind))))
    }

    /// Whether the caller sees something else than before; reads the lists for that, which its client would do next.
    pub(super) async fn are_some(
        &mut self,
        endpoint: &Endpoint,
        caller: &std::sync::Arc<Caller>,
        kind: ListKind,
    ) -> bool {
        if endpoint.policies.are_none() {
            return true;
        }
        endpoint.gather(caller, kind, Content::WhatThereIs).await;
        if kind == ListKind::Resources {
            endpoint.gather(caller, ListKind::Templates, Content::WhatThereIs).await;
        }
        let now = endpoint.sight(caller, kind);
        let before =
            self.0.iter_mut().find(|(known, _)| *known == kind).map(|(_, before)| std::mem::replace(before, now));
        now.is_none() || before.flatten() != now
    }
}

impl Endpoint {
    /// A number for what the caller sees of a list; templates belong to the resources. `None` where a part is not read yet.
    fn sight(&self, caller: &Caller, kind: ListKind) -> Option<u64> {
        if self.policies.are_none() {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        let kinds: &[ListKind] =
            if kind == ListKind::Resources { &[ListKind::Resources, ListKind::Templates] } else { &[kind][..] };
        for kind in kinds {
            let stocks = self.stocks_now(caller, *kind);
            let is_missing = |(member, stock)| Option::is_none(stock) && self.sees_some(caller, member, *kind);
            if self.members.iter().zip(&stocks).any(is_missing) {
                return None;
            }
            let joined = self.join(*kind, &stocks);
            let view = self.view(caller, &joined);
            for entry in view.places.iter().filter_map(|place| joined.index.at(*place)) {
                entry.raw.bytes().hash(&mut hasher);
            }
        }
        Some(hasher.finish())
    }
}
