//! What servers offer: lists whose entries stay the bytes that arrived.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use smallvec::SmallVec;

use crate::jsonrpc::Raw;

use super::{ListKind, Mirror, TaskSupport};

/// One server's list of one kind, complete: every page of it.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: Vec<Entry>,
    by_key: HashMap<Box<str>, usize>,
}

/// One tool, prompt, resource or template of a server.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its own name, or URI.
    pub key: Box<str>,
    /// The entry as it came.
    pub raw: Raw,
    /// For a tool: the arguments that are mirrored into headers.
    pub mirror: Mirror,
    /// For a tool: whether it runs as a task only.
    pub support: TaskSupport,
}

impl Catalog {
    /// A catalog of these entries, in their order. A key that comes twice counts once: the first.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut catalog = Self::default();
        for entry in entries {
            if !catalog.by_key.contains_key(&entry.key) {
                catalog.by_key.insert(entry.key.clone(), catalog.entries.len());
                catalog.entries.push(entry);
            }
        }
        catalog
    }

    /// The entries in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry with that name or URI.
    pub fn find(&self, key: &str) -> Option<&Entry> {
        self.entries.get(*self.by_key.get(key)?)
    }
}

/// How long and for whom a result may be kept (2026-07-28 server/utilities/caching).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheHint {
    /// Freshness from receipt.
    pub ttl: Duration,
    /// For whom.
    pub scope: CacheScope,
}

/// For whom a cached result may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheScope {
    /// Anybody.
    Public,
    /// The same authorization context.
    Private,
}

impl CacheScope {
    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

impl CacheHint {
    /// Stale at once, for the same caller only: what a missing hint means.
    pub const NONE: Self = Self { ttl: Duration::ZERO, scope: CacheScope::Private };

    /// Reads a result's `ttlMs` and `cacheScope`; a missing or senseless value means the least.
    pub fn read(result: &crate::jsonrpc::Object) -> Self {
        let ttl = result.get("ttlMs").and_then(|ttl| ttl.unsigned()).unwrap_or(0);
        let public = result.text("cacheScope").as_deref() == Some("public");
        Self { ttl: Duration::from_millis(ttl), scope: if public { CacheScope::Public } else { CacheScope::Private } }
    }

    /// The hint of a whole that has both parts.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        let scope = if self.scope == CacheScope::Public { other.scope } else { CacheScope::Private };
        Self { ttl: self.ttl.min(other.ttl), scope }
    }
}

/// One page of a joined list, as a caller sees it. Serialised once for each form in which it is asked for.
#[derive(Debug)]
pub struct Page {
    /// What is listed.
    pub kind: ListKind,
    /// The entries with the names under which they are offered.
    pub entries: Vec<Raw>,
    /// The cursor of the next page.
    pub next: Option<String>,
    /// Servers whose part is not in it.
    pub missing: Vec<String>,
    /// Servers that show the caller no more than they show to anybody until the caller agrees to be connected.
    pub unconnected: Vec<Arc<str>>,
    /// Servers whose part is not what they would say now for certain, and when they said it, since 1970.
    pub stale: Vec<(Arc<str>, Duration)>,
    /// Until when it is fresh; not at all where it is `None`.
    pub fresh_until: Option<Instant>,
    /// For whom it may be kept.
    pub scope: CacheScope,
    /// The forms that were asked for.
    pub renderings: Rendering,
}

/// Serialised forms of a page, by the name of the form.
#[derive(Debug, Default)]
pub struct Rendering(Mutex<SmallVec<[(&'static str, Raw); 2]>>);

impl Rendering {
    /// The form of that name, made by `make` the first time.
    pub fn form(&self, name: &'static str, make: impl FnOnce() -> Raw) -> Raw {
        let mut forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, raw)) = forms.iter().find(|(known, _)| *known == name) {
            return raw.clone();
        }
        let raw = make();
        forms.push((name, raw.clone()));
        raw
    }
}
