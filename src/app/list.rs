//! Joined lists: every server's part that comes in time, in pages.

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use tokio::{task::JoinSet, time::timeout_at};

use crate::{
    clock,
    mcp::{CacheScope, Caller, Fault, ListKind, Offer, Outcome, Page},
    route::Exposed,
    seal::Purpose,
    telemetry::label::ListSource,
    upstream::{Group, Stock},
};

use super::{
    endpoint::{Endpoint, Joined, Member, Stocks},
    seen::View,
};

/// A joined list, and what somebody sees of it.
type Seen<'a> = (&'a Joined, &'a View);

/// A place in a list, as it passes through a client's hands.
#[derive(Serialize, Deserialize)]
struct Cursor {
    list: String,
    /// The name before the page: lists may change between pages.
    after: String,
    /// The place of the page if that name is gone.
    at: usize,
}

impl Endpoint {
    /// One page of a list.
    pub(super) async fn list(&self, caller: &Arc<Caller>, kind: ListKind, cursor: Option<&str>) -> Outcome {
        let (stocks, missing) = self.gather(caller, kind).await;
        let joined = self.join(kind, &stocks);
        let view = self.view(caller, &joined);
        match self.start(kind, cursor, (&joined, &view)) {
            Ok(start) => Outcome::Listed(self.page((&joined, &view), &stocks, start, missing)),
            Err(fault) => Outcome::Failed(fault),
        }
    }

    /// The first page without waiting, if all lists are fresh.
    pub(super) fn list_now(&self, caller: &Caller, kind: ListKind) -> Option<Outcome> {
        let groups: SmallVec<[Option<Arc<Group>>; 8]> = self.groups_now(caller).collect();
        let stock =
            |(member, group): (&Member, &Option<Arc<Group>>)| match group.as_ref().map(|group| group.fresh(kind)) {
                Some(Some(stock)) => Some(Some(stock)),
                // A server of which the caller sees nothing keeps nobody waiting.
                _ => (!self.sees_some(caller, member, kind)).then_some(None),
            };
        let stocks: Stocks = self.members.iter().zip(&groups).map(stock).collect::<Option<_>>()?;
        let served = groups.iter().zip(&stocks).filter_map(|(group, stock)| stock.as_ref().and(group.as_ref()));
        served.for_each(|group| group.served(ListSource::Hit));
        let joined = self.join(kind, &stocks);
        let view = self.view(caller, &joined);
        Some(Outcome::Listed(self.page((&joined, &view), &stocks, 0, Vec::new())))
    }

    /// Every server's list, as far as it comes before the deadline; a server that is late goes on fetching for the next time, and an
    /// older list of it serves meanwhile. Answers with the servers of which there is nothing.
    pub(super) async fn gather(&self, caller: &Arc<Caller>, kind: ListKind) -> (Stocks, Vec<String>) {
        let seen = |member: &Member| self.sees_some(caller, member, kind);
        let came = self.each(caller, seen, move |group| async move { group.list(kind).await.map(drop) }).await;
        let stocks = self.stocks_now(caller, kind);
        for ((group, came), stock) in self.groups_now(caller).zip(&came).zip(&stocks) {
            if let (Some(group), None, Some(_)) = (group, came, stock) {
                group.served(ListSource::Stale);
            }
        }
        let absent = self.members.iter().zip(&stocks).filter(|(member, stock)| stock.is_none() && seen(member));
        let missing = absent.map(|(member, _)| member.upstream.name().to_string()).collect();
        (stocks, missing)
    }

    /// Does something with the caller's group on each server that is wanted at once, until the deadline.
    pub(super) async fn each<F, T>(
        &self,
        caller: &Arc<Caller>,
        wanted: impl Fn(&Member) -> bool,
        act: impl Fn(Arc<Group>) -> F + Copy + Send + 'static,
    ) -> Vec<Option<T>>
    where
        F: Future<Output = Result<T, Fault>> + Send,
        T: Send + 'static,
    {
        let deadline = tokio::time::Instant::from_std(clock::now() + self.lists.deadline);
        let mut acting = JoinSet::new();
        for (place, member) in self.members.iter().enumerate().filter(|(_, member)| wanted(member)) {
            let (upstream, caller) = (member.upstream.clone(), caller.clone());
            acting.spawn(async move {
                let done = match upstream.group(&caller).await {
                    Ok(group) => act(group).await,
                    Err(fault) => Err(fault),
                };
                (place, done)
            });
        }
        let mut out: Vec<Option<T>> = self.members.iter().map(|_| None).collect();
        while let Ok(Some(done)) = timeout_at(deadline, acting.join_next()).await {
            let Ok((place, result)) = done else { continue };
            match (result, out.get_mut(place)) {
                (Ok(value), Some(slot)) => *slot = Some(value),
                (Err(fault), _) => tracing::warn!(endpoint = &*self.path, ?fault, "a server's part is missing"),
                _ => (),
            }
        }
        // What is late goes on: it is bounded by the upstream's own timeouts.
        acting.detach_all();
        out
    }

    fn start(&self, kind: ListKind, cursor: Option<&str>, (joined, view): Seen<'_>) -> Result<usize, Fault> {
        let Some(cursor) = cursor else { return Ok(0) };
        let content = self.ring.open(Purpose::Cursor, cursor).map_err(|_| Fault::BadCursor)?;
        let cursor: Cursor = serde_json::from_slice(&content).map_err(|_| Fault::BadCursor)?;
        if cursor.list != self.list_name(kind) {
            return Err(Fault::BadCursor);
        }
        let is_last = |place: &usize| joined.index.at(*place).is_some_and(|entry| *entry.name == *cursor.after);
        let after = view.places.iter().position(is_last);
        Ok(after.map_or(cursor.at.min(view.places.len()), |place| place + 1))
    }

    fn list_name(&self, kind: ListKind) -> String {
        format!("{} {}", self.path, kind.method())
    }

    fn page(&self, (joined, view): Seen<'_>, stocks: &Stocks, start: usize, missing: Vec<String>) -> Arc<Page> {
        let kind = joined.kind;
        let mut pages = view.pages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, page)) = pages.iter().find(|(at, page)| *at == start && page.missing == missing) {
            return page.clone();
        }
        let places = &view.places;
        let end = places.len().min(start.saturating_add(self.lists.page_size));
        let shown = places.get(start..end).unwrap_or_default().iter().filter_map(|place| joined.index.at(*place));
        let shown: Vec<&Exposed> = shown.collect();
        let next =
            (end < places.len()).then(|| shown.last()).flatten().and_then(|last| self.cursor(kind, &last.name, end));
        let (fresh_until, mut scope) = freshness(stocks, &missing);
        // What one caller sees is no other's to keep (2026-07-28 server/utilities/caching).
        if !self.policies.are_none() {
            scope = CacheScope::Private;
        }
        let entries = shown.iter().map(|entry| entry.raw.clone()).collect();
        let renderings = crate::mcp::Rendering::default();
        let page = Arc::new(Page { kind, entries, next, missing, fresh_until, scope, renderings });
        pages.retain(|(at, _)| *at != start);
        pages.push((start, page.clone()));
        page
    }

    fn cursor(&self, kind: ListKind, after: &str, at: usize) -> Option<String> {
        let cursor = Cursor { list: self.list_name(kind), after: after.to_owned(), at };
        self.ring.seal(Purpose::Cursor, &serde_json::to_vec(&cursor).ok()?).ok()
    }

    /// What the endpoint offers: what its servers offer together. Of a server that is not there in time nothing is known, so lists are
    /// offered, and their change is announced when it comes.
    pub(super) async fn discover(&self, caller: &Arc<Caller>) -> Outcome {
        let knows = |member: &Member| self.knows(caller, member);
        let greetings = self.each(caller, knows, |group| async move { group.greeting().await }).await;
        let mut offer = Offer::default();
        let is_single = self.members.iter().filter(|member| knows(member)).count() == 1;
        let mut instructions = Vec::new();
        for (member, greeting) in self.members.iter().zip(greetings).filter(|(member, _)| knows(member)) {
            let Some(greeting) = greeting else {
                offer.tools |= self.sees_some(caller, member, ListKind::Tools);
                continue;
            };
            offer.join(&self.seen_offer(caller, member, &greeting.offer));
            instructions.extend(greeting.offer.instructions.as_ref().map(|text| match is_single {
                true => text.clone(),
                false => format!("## {}\n{text}", member.upstream.name()),
            }));
        }
        // The gateway itself changes lists when its servers come and go.
        offer.tools_changed = offer.tools;
        offer.prompts_changed = offer.prompts;
        offer.resources_changed = offer.resources;
        offer.instructions = (!instructions.is_empty()).then(|| instructions.join("\n\n"));
        Outcome::Discovered(Arc::new(offer))
    }

    /// Of what a server offers, the kinds of which the caller sees something.
    fn seen_offer<'o>(&self, caller: &Caller, member: &Member, offer: &'o Offer) -> Cow<'o, Offer> {
        if self.policies.are_none() {
            return Cow::Borrowed(offer);
        }
        let sees = |kind| self.sees_some(caller, member, kind);
        let (tools, prompts, resources) = (sees(ListKind::Tools), sees(ListKind::Prompts), sees(ListKind::Resources));
        Cow::Owned(Offer {
            tools: offer.tools && tools,
            prompts: offer.prompts && prompts,
            resources: offer.resources && resources,
            subscribe: offer.subscribe && resources,
            completions: offer.completions && (prompts || resources),
            tasks: offer.tasks && tools,
            ..offer.clone()
        })
    }
}

/// A whole is as fresh as its stalest part, and as private as its most private one. Where parts are missing it is not fresh at all.
fn freshness(stocks: &[Option<Arc<Stock>>], missing: &[String]) -> (std::time::Instant, CacheScope) {
    let parts = || stocks.iter().flatten();
    let now = clock::now();
    let until = if missing.is_empty() { parts().map(|stock| stock.fresh_until).min() } else { None };
    let is_public = missing.is_empty() && parts().all(|stock| stock.scope == CacheScope::Public);
    (until.unwrap_or(now + Duration::ZERO), if is_public { CacheScope::Public } else { CacheScope::Private })
}
