//! What is kept of one server for those who may read it: its greeting and its lists.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;

use crate::{
    era::Revision,
    jsonrpc::{MAX_DEPTH, Object, Raw, array},
    mcp::{CacheHint, CacheScope, Entry, ListKind, Offer},
    upstream::{
        catalog::{Listing, Stock, read_entry},
        errand::{Dialect, Greeting},
        opening::Verdict,
        settings::{UpstreamSettings, WireSettings},
    },
};

use super::key::Key;

/// The form of what is written. Another one is read by nobody.
const FORMAT: u64 = 1;
/// Deeper than the entries by what stands around them.
const DEPTH: usize = MAX_DEPTH + 8;

/// What is kept of one server.
pub(in crate::upstream) struct Volume {
    pub(in crate::upstream) key: Key,
    /// By which settings it was read.
    pub(in crate::upstream) identity: Arc<str>,
    pub(in crate::upstream) verdict: Verdict,
    pub(in crate::upstream) greeting: Arc<Greeting>,
    /// In the order of [`ListKind::ALL`].
    pub(in crate::upstream) lists: [Option<Arc<Stock>>; 4],
}

impl Volume {
    /// Its size in memory, nearly: the text of what was listed, and as much again for what is known of each entry.
    pub(super) fn bytes(&self) -> usize {
        let entries = self.lists.iter().flatten().flat_map(|stock| stock.listed());
        1024 + entries.map(|entry| 2 * entry.raw.bytes().len() + 256).sum::<usize>()
    }

    /// Whether both say the same, whenever it was read.
    pub(super) fn says_what(&self, other: &Self) -> bool {
        let same = |one: &Option<Arc<Stock>>, other: &Option<Arc<Stock>>| match (one, other) {
            (Some(one), Some(other)) => one.lists_the_same(other),
            (None, None) => true,
            _ => false,
        };
        self.identity == other.identity
            && self.verdict == other.verdict
            && self.greeting.offer == other.greeting.offer
            && self.lists.iter().zip(&other.lists).all(|(one, other)| same(one, other))
    }

    /// Its text.
    pub(super) fn written(&self) -> Raw {
        let offer = &self.greeting.offer;
        let (era, revision) = match (&self.verdict, &self.greeting.dialect) {
            (Verdict::Modern, _) | (_, Dialect::Modern) => ("modern", None),
            (Verdict::Legacy, Dialect::Legacy(revision)) => ("legacy", Some(*revision)),
            (Verdict::LegacySse, Dialect::Legacy(revision)) => ("legacy sse", Some(*revision)),
        };
        let lists =
            ListKind::ALL.iter().zip(&self.lists).filter_map(|(kind, stock)| Some(list(*kind, stock.as_ref()?)));
        let empty = Object::default();
        let mut edit = empty
            .edit()
            .set("format", Raw::from_value(&FORMAT))
            .set("server", Raw::string(&self.key.server))
            .set("reader", self.key.reader.as_deref().map_or(Raw::literal("null"), Raw::string))
            .set("settings", Raw::string(&self.identity))
            .set("era", Raw::string(era))
            .set("capabilities", offer.capabilities())
            .set("lists", array(lists));
        if let Some(revision) = revision {
            edit = edit.set("revision", Raw::string(revision.name()));
        }
        if let Some(instructions) = &offer.instructions {
            edit = edit.set("instructions", Raw::string(instructions));
        }
        edit.finish()
    }

    /// Reads its text. `None` for what is none, or of another format.
    pub(super) fn read(text: Vec<u8>, max_stale: Duration) -> Option<Self> {
        let object = Raw::parse(Bytes::from(text), DEPTH).ok()?.object().ok()?;
        if object.get("format")?.unsigned() != Some(FORMAT) {
            return None;
        }
        let reader = match object.text("reader") {
            Some(principal) => Some(principal.into()),
            None if object.get("reader")?.as_str() == "null" => None,
            None => return None,
        };
        let (verdict, dialect) = spoken(&object)?;
        let offer = Offer::read(&object.get("capabilities")?.object().ok()?, object.text("instructions"));
        let mut lists = [None, None, None, None];
        for list in object.get("lists")?.elements()? {
            let (kind, stock) = stock(&list, max_stale)?;
            let place = ListKind::ALL.iter().position(|known| *known == kind)?;
            *lists.get_mut(place)? = Some(Arc::new(stock));
        }
        Some(Self {
            key: Key { server: object.text("server")?.into(), reader },
            identity: object.text("settings")?.into(),
            verdict,
            greeting: Arc::new(Greeting { dialect, offer }),
            lists,
        })
    }
}

fn spoken(object: &Object) -> Option<(Verdict, Dialect)> {
    let legacy = || Some(Dialect::Legacy(Revision::parse(&object.text("revision")?)?));
    match object.text("era")?.as_str() {
        "modern" => Some((Verdict::Modern, Dialect::Modern)),
        "legacy" => Some((Verdict::Legacy, legacy()?)),
        "legacy sse" => Some((Verdict::LegacySse, legacy()?)),
        _ => None,
    }
}

fn list(kind: ListKind, stock: &Stock) -> Raw {
    let CacheHint { ttl, scope } = stock.hint();
    Object::default()
        .edit()
        .set("list", Raw::string(kind.method()))
        .set("readAtMs", millis(stock.read_at))
        .set("ttlMs", millis(ttl))
        .set("scope", Raw::string(scope.name()))
        .set("entries", array(stock.listed().iter().map(|entry| entry.raw.clone())))
        .finish()
}

fn stock(list: &Raw, max_stale: Duration) -> Option<(ListKind, Stock)> {
    let object = list.object().ok()?;
    let method = object.text("list")?;
    let kind = ListKind::ALL.into_iter().find(|kind| kind.method() == method)?;
    let time = |name: &str| Some(Duration::from_millis(object.get(name)?.unsigned()?));
    let scope =
        if object.text("scope")? == CacheScope::Public.name() { CacheScope::Public } else { CacheScope::Private };
    let listed: Vec<Entry> =
        object.get("entries")?.elements()?.iter().filter_map(|entry| read_entry(kind, entry)).collect();
    let listing = Listing { offered: listed.clone(), listed, hint: CacheHint { ttl: time("ttlMs")?, scope } };
    Some((kind, Stock::kept(listing, time("readAtMs")?, max_stale)))
}

fn millis(time: Duration) -> Raw {
    Raw::from_value(&u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// A digest of what decides which server it is and as whom it is asked; values of secrets count. What is done with its lists afterwards
/// (names, rules, pins) does not.
pub(in crate::upstream) fn identity(settings: &UpstreamSettings) -> Arc<str> {
    let mut digest = Context::new(&SHA256);
    let mut add = |text: &str| {
        digest.update(&text.len().to_be_bytes());
        digest.update(text.as_bytes());
    };
    add(&settings.name);
    add(&format!("{:?}", (&settings.wire, &settings.credential, settings.era, settings.pool.isolation)));
    // What is secret is not in the text above.
    match &settings.wire {
        WireSettings::Stdio(stdio) => stdio.env.iter().for_each(|(name, value)| {
            add(name);
            add(value.expose());
        }),
        WireSettings::Http(http) => http.headers.iter().for_each(|(name, value)| {
            add(name.as_str());
            add(value.expose());
        }),
    }
    URL_SAFE_NO_PAD.encode(digest.finish()).into()
}
