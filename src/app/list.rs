//! Joined lists: every server's part that comes in time, in pages.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    mcp::{CacheScope, Caller, Fault, ListKind, Offer, Outcome, Page},
    route::Exposed,
    seal::Purpose,
    upstream::Content,
};

use super::{
    endpoint::{Endpoint, Joined, Member},
    gather::Parts,
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
        let parts = self.gather(caller, kind, Content::WhatThereIs).await;
        let joined = self.join(kind, &parts.stocks);
        let view = self.view(caller, &joined);
        match self.start(kind, cursor, (&joined, &view)) {
            Ok(start) => Outcome::Listed(self.page((&joined, &view), &parts, start)),
            Err(fault) => Outcome::Failed(fault),
        }
    }

    /// The first page, if nobody is worth waiting for.
    pub(super) fn list_now(&self, caller: &Arc<Caller>, kind: ListKind) -> Option<Outcome> {
        let parts = self.gathered(caller, kind, Content::WhatThereIs).ok()?;
        let joined = self.join(kind, &parts.stocks);
        let view = self.view(caller, &joined);
        Some(Outcome::Listed(self.page((&joined, &view), &parts, 0)))
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

    fn page(&self, (joined, view): Seen<'_>, parts: &Parts, start: usize) -> Arc<Page> {
        let kind = joined.kind;
        let (fresh_until, mut scope) = freshness(parts);
        // What one caller sees is no other's to keep (2026-07-28 server/utilities/caching).
        if !self.policies.are_none() || !parts.unconnected.is_empty() {
            scope = CacheScope::Private;
        }
        let Parts { missing, unconnected, stale, .. } = parts;
        let is_it = |page: &Page| {
            (&page.missing, &page.unconnected, &page.stale) == (missing, unconnected, stale)
                && (page.fresh_until, page.scope) == (fresh_until, scope)
        };
        let mut pages = view.pages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, page)) = pages.iter().find(|(at, page)| *at == start && is_it(page)) {
            return page.clone();
        }
        let places = &view.places;
        let end = places.len().min(start.saturating_add(self.lists.page_size));
        let shown = places.get(start..end).unwrap_or_default().iter().filter_map(|place| joined.index.at(*place));
        let shown: Vec<&Exposed> = shown.collect();
        let next =
            (end < places.len()).then(|| shown.last()).flatten().and_then(|last| self.cursor(kind, &last.name, end));
        let (missing, unconnected, stale) = (missing.clone(), unconnected.clone(), stale.clone());
        let entries = shown.iter().map(|entry| entry.raw.clone()).collect();
        let renderings = crate::mcp::Rendering::default();
        let page = Arc::new(Page { kind, entries, next, missing, unconnected, stale, fresh_until, scope, renderings });
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
            let said = greeting.offer.instructions.as_ref().and_then(|text| member.upstream.instructions(text));
            instructions.extend(said.map(|text| match is_single {
                true => text,
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

/// A whole is as fresh as its stalest part, and as private as its most private one. Where parts are missing or stale it is not fresh at
/// all.
fn freshness(parts: &Parts) -> (Option<std::time::Instant>, CacheScope) {
    let stocks = || parts.stocks.iter().flatten();
    let is_whole = parts.missing.is_empty() && parts.stale.is_empty();
    let until = if is_whole { stocks().map(|stock| stock.fresh_until).min() } else { None };
    let is_public = parts.missing.is_empty() && stocks().all(|stock| stock.scope == CacheScope::Public);
    (until, if is_public { CacheScope::Public } else { CacheScope::Private })
}
