//! The server's lists as a group has them: from memory while they are fresh, fetched once for all who wait.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use crate::{
    clock,
    mcp::{Fault, ListKind, UpstreamFault},
    telemetry::label::ListSource,
    upstream::{
        catalog::{self, Fetch, FetchLimits, Shelf, Stock},
        peer::Peer,
    },
};

use super::core::Group;

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

    /// The list as it was last fetched, fresh or not.
    pub fn stock(&self, kind: ListKind) -> Option<Arc<Stock>> {
        self.shelf(kind).current()
    }

    /// The list if it is fresh.
    pub fn fresh(&self, kind: ListKind) -> Option<Arc<Stock>> {
        self.stock(kind).filter(|stock| stock.is_fresh(self.bus.generation(kind)))
    }

    /// The list, fetched if it is not fresh. The fetch goes on when nobody waits for it any more.
    ///
    /// # Errors
    /// [`Fault::Broken`] when the server cannot be asked.
    pub async fn list(self: &Arc<Self>, kind: ListKind) -> Result<Arc<Stock>, Fault> {
        if let Some(stock) = self.fresh(kind) {
            self.served(ListSource::Hit);
            return Ok(stock);
        }
        let stock = self.fetch_now(kind).await?;
        self.served(ListSource::Miss);
        Ok(stock)
    }

    /// Its list went to somebody.
    pub fn served(&self, from: ListSource) {
        self.upstream.metrics().list(from);
    }

    /// The list, for somebody who did not find in it what the server should have: fetched again unless it just was.
    ///
    /// # Errors
    /// [`Fault::Broken`] when the server cannot be asked.
    pub async fn list_again(self: &Arc<Self>, kind: ListKind) -> Result<Arc<Stock>, Fault> {
        const JUST_NOW: Duration = Duration::from_secs(1);
        match self.fresh(kind) {
            Some(stock) if clock::now().saturating_duration_since(stock.fetched) < JUST_NOW => Ok(stock),
            _ => self.fetch_now(kind).await,
        }
    }

    async fn fetch_now(self: &Arc<Self>, kind: ListKind) -> Result<Arc<Stock>, Fault> {
        let fetch = self.shelf(kind).fetch(|fetch| {
            let group = self.clone();
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move { group.fetch(kind, fetch).await });
        });
        catalog::outcome(fetch).await.map_err(|fault| Fault::Broken(self.server().clone(), fault))
    }

    async fn fetch(self: Arc<Self>, kind: ListKind, fetch: Fetch) {
        let generation = self.bus.generation(kind);
        let fetched = match self.lease().await {
            Ok(lease) => self.fetch_from(&lease.peer, kind, generation).await,
            Err(Fault::Broken(_, fault)) => Err(fault),
            Err(_) => Err(UpstreamFault::Overloaded),
        };
        // What was read with one principal's credential is for nobody else, whatever the server says of it.
        let fetched = fetched.map(|stock| if self.upstream.is_personal() { stock.private() } else { stock });
        if fetched.is_ok() {
            self.upstream.metrics().catalog_read(clock::unix_time());
        }
        self.shelf(kind).finish(&fetch, fetched.map(Arc::new));
    }

    async fn fetch_from(&self, peer: &Peer, kind: ListKind, generation: u64) -> Result<Stock, UpstreamFault> {
        let limits: FetchLimits = self.upstream.fetch_limits();
        if peer.greeting.offer.lists(kind) {
            let mut listed = catalog::fetch(peer, kind, limits).await?;
            if kind == ListKind::Tools {
                listed.entries = self.upstream.screening().sift(self.server(), listed.entries);
            }
            Ok(Stock::of(listed, generation))
        } else {
            Ok(Stock::nothing(limits.legacy_ttl, generation))
        }
    }
}
