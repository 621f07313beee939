//! A server's lists, as they were read: complete, fresh for as long as the server says, and outdated by its own notices.
//!
//! Source: 2026-07-28 server/utilities/caching and pagination.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    clock,
    era::Outgoing,
    jsonrpc::{Object, Raw},
    mcp::{CacheHint, CacheScope, Catalog, Entry, ListKind, Mirror, TaskSupport, UpstreamFault},
};

use super::peer::Peer;

/// Pages of one list at the most: a server whose cursors never end is cut off.
const MAX_PAGES: usize = 1000;

/// One list as it was fetched.
#[derive(Debug)]
pub struct Stock {
    /// The entries that are offered.
    pub catalog: Arc<Catalog>,
    /// Until when it is fresh.
    pub fresh_until: Instant,
    /// For whom it may be kept.
    pub scope: CacheScope,
    /// When the server was asked for it, since 1970.
    pub read_at: Duration,
    /// Tells it apart from every other list of this process that offers something else.
    pub stamp: u64,
    /// Where it is from.
    pub origin: Origin,
    /// Until when it may be answered with while it is read anew.
    stale_until: Instant,
    /// For how long it was fresh when it was read.
    ttl: Duration,
    /// All that the server listed, where not all of it is offered.
    listed: Option<Arc<[Entry]>>,
    /// How often the server had announced changes when the fetch began.
    generation: u64,
}

/// Where a list is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the server, as it runs.
    Server,
    /// From before: of another run of the server, or of the gateway.
    Kept,
}

/// How a list stands, before anything is known of who wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It may be used without asking the server.
    Fresh,
    /// It may be used while the server is asked.
    Stale,
    /// It may be used when the server does not answer.
    Outdated,
}

static STAMPS: AtomicU64 = AtomicU64::new(1);

/// What a list is made of.
pub(super) struct Listing {
    /// All that the server listed.
    pub(super) listed: Vec<Entry>,
    /// What of it is offered.
    pub(super) offered: Vec<Entry>,
    pub(super) hint: CacheHint,
}

impl Stock {
    /// A list that was just read: it may be answered with for `max_stale` longer than it is fresh. What its server wants to be asked for
    /// each time may not.
    pub(super) fn read(listing: Listing, generation: u64, max_stale: Duration) -> Self {
        let CacheHint { ttl, scope } = listing.hint;
        let fresh_until = clock::now() + ttl;
        let stale_until = if ttl.is_zero() { fresh_until } else { fresh_until + max_stale };
        let read_at = clock::unix_time();
        Self::new(listing, (fresh_until, stale_until), scope, (read_at, Origin::Server, generation))
    }

    /// A list from before, read at that time since 1970: never fresh, and not answered with for long without asking.
    pub(super) fn kept(listing: Listing, read_at: Duration, max_stale: Duration) -> Self {
        let CacheHint { ttl, scope } = listing.hint;
        let age = clock::unix_time().saturating_sub(read_at);
        let left = if ttl.is_zero() { Duration::ZERO } else { (ttl + max_stale).saturating_sub(age) };
        let now = clock::now();
        Self::new(listing, (now, now + left), scope, (read_at, Origin::Kept, 0))
    }

    fn new(
        listing: Listing,
        (fresh_until, stale_until): (Instant, Instant),
        scope: CacheScope,
        (read_at, origin, generation): (Duration, Origin, u64),
    ) -> Self {
        let Listing { listed, offered, hint: CacheHint { ttl, .. } } = listing;
        let listed = (listed.len() != offered.len()).then(|| listed.into());
        let stamp = STAMPS.fetch_add(1, Ordering::Relaxed);
        let catalog = Arc::new(Catalog::new(offered));
        Self { catalog, fresh_until, scope, read_at, stamp, origin, stale_until, ttl, listed, generation }
    }

    /// The same list for another run of its server, with what is offered of it now.
    pub(super) fn for_another_run(&self, offered: Vec<Entry>) -> Self {
        let listing = Listing { listed: self.listed().to_vec(), offered, hint: self.hint() };
        let times = (self.fresh_until.min(clock::now()), self.stale_until);
        Self::new(listing, times, self.scope, (self.read_at, Origin::Kept, 0))
    }

    /// The same, for nobody but whom it was fetched for.
    pub(super) const fn private(mut self) -> Self {
        self.scope = CacheScope::Private;
        self
    }

    /// The same list with what is offered of it now.
    pub(super) fn offering(&self, offered: Vec<Entry>) -> Self {
        let listing = Listing { listed: self.listed().to_vec(), offered, hint: self.hint() };
        let times = (self.fresh_until, self.stale_until);
        Self::new(listing, times, self.scope, (self.read_at, self.origin, self.generation))
    }

    /// The same list, sharing what is made of another one that offers the same.
    pub(super) fn like(self, other: &Self) -> Self {
        Self { catalog: other.catalog.clone(), stamp: other.stamp, ..self }
    }

    /// All that the server listed, offered or not.
    pub(super) fn listed(&self) -> &[Entry] {
        self.listed.as_deref().unwrap_or_else(|| self.catalog.entries())
    }

    /// What was said of how long it may be kept, and for whom.
    pub(super) const fn hint(&self) -> CacheHint {
        CacheHint { ttl: self.ttl, scope: self.scope }
    }

    /// How often the server had announced changes when it was read.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether both offer the same, byte for byte.
    pub(super) fn offers_the_same(&self, other: &Self) -> bool {
        same(self.catalog.entries(), other.catalog.entries())
    }

    /// Whether the server listed the same, byte for byte, offered or not.
    pub(super) fn lists_the_same(&self, other: &Self) -> bool {
        same(self.listed(), other.listed())
    }

    /// How it stands, when the server has announced changes so often.
    pub(super) fn freshness(&self, generation: u64) -> Freshness {
        if self.generation != generation {
            // Whoever was told that it changed asks for what it is now (2026-07-28 server/utilities/caching).
            return Freshness::Outdated;
        }
        match clock::now() {
            now if now < self.fresh_until => Freshness::Fresh,
            now if now < self.stale_until => Freshness::Stale,
            _ => Freshness::Outdated,
        }
    }
}

/// Whether two lists are the same, byte for byte.
fn same(one: &[Entry], other: &[Entry]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.raw == other.raw)
}

/// What a server listed, to its last page.
pub(super) struct Listed {
    pub(super) entries: Vec<Entry>,
    pub(super) hint: CacheHint,
}

/// What bounds a fetch.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchLimits {
    pub(super) patience: Duration,
    pub(super) max_entries: usize,
    pub(super) legacy_ttl: Duration,
}

/// Fetches a list to its last page.
pub(super) async fn fetch(peer: &Peer, kind: ListKind, limits: FetchLimits) -> Result<Listed, UpstreamFault> {
    let is_legacy = peer.greeting.dialect.is_legacy();
    let mut hint = CacheHint { ttl: limits.legacy_ttl, scope: CacheScope::Private };
    let (mut entries, mut cursor, mut seen) = (Vec::new(), None, HashSet::new());
    for page in 0..MAX_PAGES {
        let result = match peer.request(|token| request(peer, kind, cursor.as_deref(), token), limits.patience).await? {
            Ok(result) => result,
            Err(error) => {
                tracing::warn!(code = error.code, message = error.message, list = kind.method(), "list refused");
                return Ok(Listed { entries: Vec::new(), hint: hint_of_nothing(limits.legacy_ttl) });
            }
        };
        let object = result.object().map_err(|_| UpstreamFault::Garbled)?;
        if !is_legacy {
            let read = CacheHint::read(&object);
            hint = if page == 0 { read } else { hint.meet(read) };
        }
        entries.extend(read_entries(kind, &object)?);
        cursor = object.text("nextCursor");
        let goes_on = cursor.as_ref().is_some_and(|next| seen.insert(next.clone()));
        if !goes_on || entries.len() >= limits.max_entries {
            break;
        }
    }
    entries.truncate(limits.max_entries);
    Ok(Listed { entries, hint })
}

/// What is said of a list that a server does not have.
pub(super) const fn hint_of_nothing(ttl: Duration) -> CacheHint {
    CacheHint { ttl, scope: CacheScope::Public }
}

fn request(peer: &Peer, kind: ListKind, cursor: Option<&str>, token: u64) -> Outgoing {
    let cursor = cursor.map(Raw::string);
    peer.greeting.dialect.encode_own(kind.method(), cursor.map(|cursor| ("cursor", cursor)), token)
}

/// The entries of a page. One that has no name is left out, and so is a tool whose header annotations are not acceptable to
/// modern HTTP clients (2026-07-28 streamable-http, Schema Extension).
fn read_entries(kind: ListKind, page: &Object) -> Result<Vec<Entry>, UpstreamFault> {
    let listed = page.get(kind.member()).and_then(|list| list.elements()).ok_or(UpstreamFault::Garbled)?;
    Ok(listed.into_iter().filter_map(|raw| read_entry(kind, &raw)).collect())
}

/// One entry of a list. `None` for what cannot be offered.
pub(super) fn read_entry(kind: ListKind, raw: &Raw) -> Option<Entry> {
    let object = raw.object().ok()?;
    let key: Box<str> = object.text(kind.key())?.into();
    let mirror = match object.get("inputSchema") {
        Some(schema) if kind == ListKind::Tools => match Mirror::compile(&schema) {
            Ok(mirror) => mirror,
            Err(reason) => {
                tracing::warn!(tool = &*key, %reason, "tool left out");
                return None;
            }
        },
        _ => Mirror::default(),
    };
    // A list outlives the buffer that its page was read into.
    let support = if kind == ListKind::Tools { TaskSupport::read(&object) } else { TaskSupport::default() };
    Some(Entry { key, raw: raw.detach(), mirror, support })
}
