//! The server's lists as a group has them: from memory while they may be, read once for all who wait.
//!
//! A list that is no longer fresh is answered with at once and read anew meanwhile (RFC 5861 section 3). One that the server said is
//! another is waited for: whoever was told that it changed finds what it is now (docs/adr/0026).

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use crate::{
    clock,
    mcp::{Fault, ListKind, UpstreamFault},
    telemetry::label::{List, ListSource},
    upstream::{
        catalog::{self, FetchLimits, Freshness, Listing, Origin, Stock},
        peer::Peer,
        shelf::{self, Fetch, News, Shelf},
    },
};

use super::core::Group;

/// One server's part of a list, as a caller is answered with it.
#[derive(Clone, Debug)]
pub struct Part {
    /// The list, if there is one.
    pub stock: Option<Arc<Stock>>,
    /// Where it is from: `Stale` and `Persisted` are not what the server would say for certain, `Missing` is nothing.
    pub source: ListSource,
}

impl Part {
    /// Nothing.
    pub const MISSING: Self = Self { stock: None, source: ListSource::Missing };
}

/// What there is of a list at once.
#[derive(Clone, Debug)]
pub enum Look {
    /// This, and it is not worth waiting for more.
    Now(Part),
    /// Not enough, and the server is worth waiting for.
    Wait,
}

/// Which lists somebody is content with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Also what is being read anew.
    WhatThereIs,
    /// What the server says now, if it says it in time: for somebody who did not find what they looked for.
    TheNewest,
}

impl Group {
    fn shelf(&self, kind: ListKind) -> &Shelf {
        let [tools, prompts, resources, templates] = &self.shelves;
        match kind {
            ListKind::Tools => tools,
            ListKind::Prompts => prompts,
            ListKind::Resources => resources,
            ListKind::Templates => templates,
        }
    }

    /// The list as it was last read, fresh or not.
    pub fn stock(&self, kind: ListKind) -> Option<Arc<Stock>> {
        self.shelf(kind).current()
    }

    /// When the oldest of its lists was read that its server should have listed anew and did not: since 1970, or `None` for one that was
    /// never read.
    pub(in crate::upstream) fn behind(&self) -> Option<Option<Duration>> {
        let behind = ListKind::ALL.into_iter().filter(|kind| self.shelf(*kind).owes());
        behind.map(|kind| self.stock(kind).map(|stock| stock.read_at)).min()
    }

    fn freshness(&self, kind: ListKind, stock: &Stock) -> Freshness {
        stock.freshness(self.bus.generation(kind))
    }

    fn fresh(&self, kind: ListKind) -> Option<Arc<Stock>> {
        self.stock(kind).filter(|stock| self.freshness(kind, stock) == Freshness::Fresh)
    }

    /// What there is of a list at once, for callers who would wait for it that long. What is not fresh is read anew meanwhile; a server
    /// that sleeps is not woken for that.
    pub fn look(self: &Arc<Self>, kind: ListKind, content: Content, deadline: Duration) -> Look {
        let stock = self.stock(kind);
        let freshness = stock.as_ref().map(|stock| self.freshness(kind, stock));
        let source = match (freshness, &stock) {
            (Some(Freshness::Fresh), _) => ListSource::Hit,
            (_, Some(stock)) if self.sleeps() => {
                return Look::Now(Part { source: from(stock), stock: Some(stock.clone()) });
            }
            (Some(Freshness::Stale), Some(stock)) if content == Content::WhatThereIs => from(stock),
            _ if !self.shelf(kind).is_late(deadline) => return Look::Wait,
            _ => return Look::Now(self.part_of_late(kind)),
        };
        if source != ListSource::Hit {
            self.refresh(kind);
        }
        Look::Now(Part { stock, source })
    }

    /// The part of a server that did not answer in time: it is asked again, and whoever listens hears when it answers.
    pub fn part_of_late(self: &Arc<Self>, kind: ListKind) -> Part {
        self.shelf(kind).owe();
        self.refresh(kind);
        match self.stock(kind) {
            Some(stock) => Part { source: from(&stock), stock: Some(stock) },
            None => Part::MISSING,
        }
    }

    /// The list, read if it is not fresh. The reading goes on when nobody waits for it any more.
    ///
    /// # Errors
    /// [`Fault::Broken`] when the server cannot be asked.
    pub async fn list(self: &Arc<Self>, kind: ListKind) -> Result<Arc<Stock>, Fault> {
        if let Some(stock) = self.fresh(kind) {
            return Ok(stock);
        }
        let announced = self.bus.generation(kind);
        let mut stock = self.read_now(kind).await?;
        if stock.generation() < announced {
            // That reading began before the change of which this caller was told.
            stock = self.read_now(kind).await?;
        }
        Ok(stock)
    }

    /// The list, for somebody who did not find in it what the server should have: read again unless it just was.
    ///
    /// # Errors
    /// [`Fault::Broken`] when the server cannot be asked.
    pub async fn list_again(self: &Arc<Self>, kind: ListKind) -> Result<Arc<Stock>, Fault> {
        const JUST_NOW: Duration = Duration::from_secs(1);
        match self.fresh(kind) {
            Some(stock) if clock::unix_time().saturating_sub(stock.read_at) < JUST_NOW => Ok(stock),
            _ => self.read_now(kind).await,
        }
    }

    /// Reads a list anew while nobody waits, unless that goes on or just failed.
    pub(super) fn refresh(self: &Arc<Self>, kind: ListKind) {
        if self.shelf(kind).may_read() {
            drop(self.begin(kind));
        }
    }

    fn begin(self: &Arc<Self>, kind: ListKind) -> tokio::sync::watch::Receiver<Option<shelf::Fetched>> {
        self.shelf(kind).read(|fetch| {
            let group = self.clone();
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move { group.read(kind, fetch).await });
        })
    }

    async fn read_now(self: &Arc<Self>, kind: ListKind) -> Result<Arc<Stock>, Fault> {
        let reading = self.begin(kind);
        shelf::outcome(reading).await.map_err(|fault| Fault::Broken(self.server().clone(), fault))
    }

    async fn read(self: Arc<Self>, kind: ListKind, fetch: Fetch) {
        let generation = self.bus.generation(kind);
        let read = match self.any_peer() {
            Some(peer) => {
                self.touch();
                self.read_from(&peer, kind, generation).await
            }
            None => match self.lease().await {
                Ok(lease) => self.read_from(&lease.peer, kind, generation).await,
                Err(Fault::Broken(_, fault)) => Err(fault),
                Err(_) => Err(UpstreamFault::Overloaded),
            },
        };
        // What was read with one principal's credential is for nobody else, whatever the server says of it.
        let read = read.map(|stock| if self.upstream.is_personal() { stock.private() } else { stock });
        let is_read = read.is_ok();
        if is_read {
            self.upstream.metrics().list_read(label(kind), clock::unix_time());
        }
        let news = self.shelf(kind).finish(&fetch, read);
        if is_read {
            self.shelve();
        }
        if news == News::Untold {
            self.bus.announce(kind);
        }
    }

    async fn read_from(&self, peer: &Peer, kind: ListKind, generation: u64) -> Result<Stock, UpstreamFault> {
        let limits: FetchLimits = self.upstream.fetch_limits();
        let max_stale = self.upstream.lists().max_stale;
        if !peer.greeting.offer.lists(kind) {
            let hint = catalog::hint_of_nothing(limits.legacy_ttl);
            return Ok(Stock::read(Listing { listed: Vec::new(), offered: Vec::new(), hint }, generation, max_stale));
        }
        let listed = catalog::fetch(peer, kind, limits).await?;
        let offered = self.upstream.sift(kind, &listed.entries);
        Ok(Stock::read(Listing { listed: listed.entries, offered, hint: listed.hint }, generation, max_stale))
    }

    /// What is offered of its lists is another matter from now on: they are looked at again, not read again.
    pub(in crate::upstream) fn sift_again(&self) {
        for kind in ListKind::ALL {
            self.sift_kind_again(kind);
        }
    }

    fn sift_kind_again(&self, kind: ListKind) {
        while let Some(old) = self.stock(kind) {
            let new = old.offering(self.upstream.sift(kind, old.listed()));
            let is_same = new.offers_the_same(&old);
            if is_same || self.shelf(kind).exchange(&old, new) {
                if !is_same {
                    self.bus.announce(kind);
                }
                return;
            }
        }
    }
}

const fn label(kind: ListKind) -> List {
    match kind {
        ListKind::Tools => List::Tools,
        ListKind::Prompts => List::Prompts,
        ListKind::Resources => List::Resources,
        ListKind::Templates => List::Templates,
    }
}

/// What an answer with a list that is not fresh is from.
fn from(stock: &Stock) -> ListSource {
    match stock.origin {
        Origin::Kept => ListSource::Persisted,
        Origin::Server => ListSource::Stale,
    }
}
