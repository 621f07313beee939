//! What a group leaves for the next one, and finds of the one before: its server's greeting and lists.

use std::sync::{Arc, PoisonError};

use crate::{
    mcp::{CacheScope, ListKind, Notice},
    upstream::{
        catalog::{Origin, Stock},
        errand::Greeting,
        library::{Key, Volume},
        peer::Peer,
        pool::Upstream,
        settings::Start,
        shelf::Shelf,
    },
};

use super::core::{Beginning, Group};

/// What is kept of a server for a reader.
pub(in crate::upstream) fn beginning(upstream: &Arc<Upstream>, reader: Option<Arc<str>>) -> Beginning {
    let key = Key { server: upstream.name().clone(), reader };
    let Some(volume) = upstream.library.find(key, &upstream.identity) else { return Beginning::default() };
    let mut shelves: [Shelf; 4] = Default::default();
    for ((kind, shelf), stock) in ListKind::ALL.into_iter().zip(&mut shelves).zip(&volume.lists) {
        // What was approved may be another matter by now.
        let offered = |stock: &Arc<Stock>| stock.for_another_run(upstream.sift(kind, stock.listed()));
        *shelf = Shelf::with(stock.as_ref().map(offered));
    }
    Beginning { greeting: Some(volume.greeting.clone()), shelves }
}

impl Group {
    /// Leaves what is known now.
    pub(super) fn shelve(&self) {
        let (Some(greeting), Some(verdict)) = (self.greeting.load_full(), self.upstream.found()) else { return };
        // One after the other, so that what is kept last is what was read last.
        let _turn = self.shelving.lock().unwrap_or_else(PoisonError::into_inner);
        let lists = ListKind::ALL.map(|kind| self.stock(kind));
        // What a server says is anybody's may be read by anybody; the rest by whom it was read for.
        let is_public = ListKind::ALL.into_iter().zip(&lists).all(|(kind, stock)| {
            let is_public = stock.as_ref().is_some_and(|stock| stock.scope == CacheScope::Public);
            is_public || !greeting.offer.lists(kind)
        });
        let reader = self.reader.clone().filter(|_| !is_public || self.upstream.is_personal());
        if let (None, Some(own)) = (&reader, &self.reader) {
            self.upstream.library.forget(self.server(), own);
        }
        let key = Key { server: self.server().clone(), reader };
        let identity = self.upstream.identity.clone();
        self.upstream.library.put(Volume { key, identity, verdict, greeting, lists });
    }

    /// Whether its server starts when it is used, and does not run: nobody starts it to see whether its lists are what they were.
    pub(super) fn sleeps(&self) -> bool {
        self.upstream.settings().start == Start::Lazy && self.any_peer().is_none()
    }

    /// Any peer that is alive, whatever its room: to read lists, which asks no client anything.
    pub(super) fn any_peer(&self) -> Option<Arc<Peer>> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.iter().find(|peer| peer.is_alive()).cloned()
    }

    /// Its server runs: what is known of it from before is held against what it says now. Of one that sleeps everything is read, so that
    /// nobody has to wake it to list it.
    pub(super) fn woke(self: &Arc<Self>, greeting: &Greeting) {
        let is_lazy = self.upstream.settings().start == Start::Lazy;
        if self.remembered.as_ref().is_some_and(|before| before.offer != greeting.offer) {
            for kind in [ListKind::Tools, ListKind::Prompts, ListKind::Resources] {
                self.bus.publish(Notice::Changed(kind));
            }
        }
        for kind in ListKind::ALL {
            let is_due = self.stock(kind).map_or(is_lazy, |stock| stock.origin == Origin::Kept);
            if is_due {
                self.refresh(kind);
            }
        }
    }
}
