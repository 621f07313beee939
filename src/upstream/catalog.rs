//! A server's lists, kept: complete, fresh for as long as the server says, and outdated by its own notices.
//!
//! Source: 2026-07-28 server/utilities/caching and pagination.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use crate::{
    clock,
    era::Outgoing,
    jsonrpc::{Object, Raw},
    mcp::{CacheHint, CacheScope, Catalog, Entry, ListKind, Mirror, TaskSupport, UpstreamFault},
};

use super::{errand::Dialect, peer::Peer};

/// Pages of one list at the most: a server whose cursors never end is cut off.
const MAX_PAGES: usize = 1000;

/// One list as it was fetched.
#[derive(Debug)]
pub struct Stock {
    /// The entries.
    pub catalog: Arc<Catalog>,
    /// Until when it is fresh.
    pub fresh_until: Instant,
    /// For whom it may be kept.
    pub scope: CacheScope,
    /// When it was fetched.
    pub fetched: Instant,
    /// Tells it apart from every other stock of this process.
    pub stamp: u64,
    /// How often the server had announced changes when the fetch began.
    generation: u64,
}

static STAMPS: AtomicU64 = AtomicU64::new(1);

impl Stock {
    fn new(catalog: Catalog, hint: CacheHint, generation: u64) -> Self {
        let stamp = STAMPS.fetch_add(1, Ordering::Relaxed);
        let fetched = clock::now();
        let fresh_until = fetched + hint.ttl;
        Self { catalog: Arc::new(catalog), fresh_until, scope: hint.scope, fetched, stamp, generation }
    }

    /// A list of these entries.
    pub(super) fn of(listed: Listed, generation: u64) -> Self {
        Self::new(Catalog::new(listed.entries), listed.hint, generation)
    }

    /// The list of a server that has none of the kind.
    pub(super) fn nothing(ttl: Duration, generation: u64) -> Self {
        Self::new(Catalog::default(), CacheHint { ttl, scope: CacheScope::Public }, generation)
    }

    /// The same, for nobody but whom it was fetched for.
    pub(super) const fn private(mut self) -> Self {
        self.scope = CacheScope::Private;
        self
    }

    /// Whether it may be used without asking the server.
    pub(super) fn is_fresh(&self, generation: u64) -> bool {
        self.generation == generation && clock::now() < self.fresh_until
    }
}

/// How a fetch ended.
pub(super) type Fetched = Result<Arc<Stock>, UpstreamFault>;

/// The place of one list.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    stock: ArcSwapOption<Stock>,
    fetching: Mutex<Option<watch::Receiver<Option<Fetched>>>>,
}

impl Shelf {
    /// What is there, fresh or not.
    pub(super) fn current(&self) -> Option<Arc<Stock>> {
        self.stock.load_full()
    }

    /// Joins the fetch under way, or starts one with `spawn`.
    pub(super) fn fetch(&self, spawn: impl FnOnce(Fetch)) -> watch::Receiver<Option<Fetched>> {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) =
            fetching.as_ref().filter(|fetch| fetch.borrow().is_none() && fetch.has_changed().is_ok())
        {
            return under_way.clone();
        }
        let (done, receiver) = watch::channel(None);
        *fetching = Some(receiver.clone());
        spawn(Fetch(done));
        receiver
    }

    /// Puts a fetched list in its place and tells those who wait.
    pub(super) fn finish(&self, fetch: &Fetch, fetched: Fetched) {
        if let Ok(stock) = &fetched {
            self.stock.store(Some(stock.clone()));
        }
        fetch.0.send_replace(Some(fetched));
    }
}

/// A fetch under way. Dropping it without [`Shelf::finish`] tells those who wait that it failed.
#[derive(Debug)]
pub(super) struct Fetch(watch::Sender<Option<Fetched>>);

/// Waits for a fetch.
pub(super) async fn outcome(mut fetch: watch::Receiver<Option<Fetched>>) -> Fetched {
    match fetch.wait_for(Option::is_some).await {
        Ok(fetched) => fetched.clone().unwrap_or(Err(UpstreamFault::Gone)),
        Err(_) => Err(UpstreamFault::Gone),
    }
}

/// What a server listed, to its last page.
pub(super) struct Listed {
    pub(super) entries: Vec<Entry>,
    hint: CacheHint,
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
                let hint = CacheHint { ttl: limits.legacy_ttl, scope: CacheScope::Public };
                return Ok(Listed { entries: Vec::new(), hint });
            }
        };
        let object = result.object().map_err(|_| UpstreamFault::Garbled)?;
        if !is_legacy {
            let read = CacheHint::read(&object);
            hint = if page == 0 { read } else { hint.meet(read) };
        }
        entries.extend(read_entries(kind, &object, &peer.greeting.dialect)?);
        cursor = object.text("nextCursor");
        let goes_on = cursor.as_ref().is_some_and(|next| seen.insert(next.clone()));
        if !goes_on || entries.len() >= limits.max_entries {
            break;
        }
    }
    entries.truncate(limits.max_entries);
    Ok(Listed { entries, hint })
}

fn request(peer: &Peer, kind: ListKind, cursor: Option<&str>, token: u64) -> Outgoing {
    let cursor = cursor.map(Raw::string);
    peer.greeting.dialect.encode_own(kind.method(), cursor.map(|cursor| ("cursor", cursor)), token)
}

/// The entries of a page. One that has no name is left out, and so is a tool whose header annotations are not acceptable to
/// modern HTTP clients (2026-07-28 streamable-http, Schema Extension).
fn read_entries(kind: ListKind, page: &Object, dialect: &Dialect) -> Result<Vec<Entry>, UpstreamFault> {
    let listed = page.get(kind.member()).and_then(|list| list.elements()).ok_or(UpstreamFault::Garbled)?;
    Ok(listed.into_iter().filter_map(|raw| read_entry(kind, raw, dialect)).collect())
}

fn read_entry(kind: ListKind, raw: Raw, _dialect: &Dialect) -> Option<Entry> {
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
