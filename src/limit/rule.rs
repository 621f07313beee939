//! One limit in force.

use std::{
    collections::HashMap,
    num::{NonZeroU32, NonZeroU64},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    bucket::Bucket,
    calendar::Page,
    ledger::Taken,
    settings::{Quota, RuleSettings},
    store::{Demand, Measure},
    subject::{Matcher, Subject},
    table::Table,
    time::Time,
};
use crate::mcp::{Fault, Limit, Per, SetLimit, Span};

/// A limit with what it has counted.
pub(super) struct Rule<T: Time> {
    pub(super) settings: RuleSettings,
    number: usize,
    pub(super) max_keys: usize,
    matchers: Vec<Matcher>,
    pub(super) table: Arc<ArcSwap<Table<T>>>,
    /// What it is called in a store and in the ledger.
    names: StoreNames,
    counting: Counting,
    /// What was taken of it before the gateway started, by the hashes of names, until somebody of that name comes.
    restored: Mutex<HashMap<String, (u64, u64)>>,
}

/// Where a limit is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counting {
    Here,
    InStore,
}

/// What is counted of a limit, in a store. A quota goes on counting when its amount changes.
struct StoreNames {
    flow: String,
    quota: String,
}

/// What a limit measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aspect {
    Places,
    Quota,
    Rate,
}

/// What a call is counted in.
pub(super) struct Found<T: Time> {
    pub(super) rule: Arc<Rule<T>>,
    pub(super) bucket: Arc<Bucket<T>>,
    /// What the name is called in a store.
    pub(super) name: Option<String>,
}

/// Where a limit is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before anybody's token is looked at.
    Gate,
    /// Where it is known who calls.
    Door,
    /// Where the server is known.
    Route,
}

impl Place {
    /// The first at which everything is known that the limit looks at. What counts endpoints alone counts calls, not requests.
    pub(super) fn of(rule: &RuleSettings) -> Self {
        let looked_at = || rule.per.iter().copied().chain(rule.matches.iter().map(|own| own.per));
        if looked_at().any(|per| matches!(per, Per::Server | Per::Tool)) {
            return Self::Route;
        }
        let is_of_requests = |per| matches!(per, Per::Address | Per::Endpoint);
        if rule.per.contains(&Per::Address) && looked_at().all(is_of_requests) { Self::Gate } else { Self::Door }
    }
}

impl<T: Time> Rule<T> {
    pub(super) fn new(
        settings: RuleSettings,
        (number, max_keys): (usize, usize),
        table: Arc<ArcSwap<Table<T>>>,
        (same, counting): (usize, Counting),
    ) -> Result<Self, globset::Error> {
        let matchers = settings.matches.iter().map(Matcher::new).collect::<Result<_, _>>()?;
        let names = StoreNames::of(&settings, same);
        Ok(Self { settings, number, max_keys, matchers, table, names, counting, restored: Mutex::default() })
    }

    /// What was taken of its quota, as it is written down.
    pub(super) fn taken(&self, clock: &T) -> Vec<Taken> {
        if self.settings.quota.is_none() {
            return Vec::new();
        }
        let taken = |name: String, (end, count)| Taken { quota: self.names.quota.clone(), name, end, count };
        let now = clock.unix().as_secs();
        let restored = self.restored();
        let waiting = restored.iter().filter(|(_, (end, _))| now < *end);
        let waiting = waiting.map(|(name, spent)| taken(name.clone(), *spent));
        let mut all: Vec<Taken> = waiting.take(self.max_keys).collect();
        all.extend(self.table.load().spent(clock, |name, spent| taken(hashed(name), spent)));
        all
    }

    /// What was taken of its quota before the gateway started.
    pub(super) fn restore(&self, taken: &[Taken]) {
        let own = taken.iter().filter(|taken| self.settings.quota.is_some() && taken.quota == self.names.quota);
        let own = own.take(self.max_keys).map(|taken| (taken.name.clone(), (taken.end, taken.count)));
        self.restored().extend(own);
    }

    /// What was taken before by that name, once.
    fn before(&self, key: &[u8]) -> Option<(u64, u64)> {
        let mut restored = self.restored();
        if restored.is_empty() { None } else { restored.remove(&hashed(key)) }
    }

    fn restored(&self) -> MutexGuard<'_, HashMap<String, (u64, u64)>> {
        self.restored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of the same limit before a reload.
    pub(super) fn inherit(&self, old: &Self) {
        self.restored().clone_from(&old.restored());
    }

    /// The buckets of the names that a call has for this limit, which is divided among so many.
    pub(super) fn find(
        self: &Arc<Self>,
        subject: &Subject<'_>,
        share: NonZeroU32,
        clock: &T,
        mut take: impl FnMut(Found<T>),
    ) {
        let mut table = self.table.load();
        if table.share != share {
            let divided = Arc::new(table.divided(share, clock));
            self.table.store(divided);
            table = self.table.load();
        }
        subject.keys(&self.settings.per, &self.matchers, |key| {
            let name = (self.counting == Counting::InStore).then(|| hashed(key));
            take(Found { rule: self.clone(), bucket: table.of(key, clock, || self.before(key)), name });
        });
    }

    /// What is measured, in the order in which it is asked. Places and quotas first, since they can be given back: a call that finds
    /// none takes nothing from a bucket.
    pub(super) const ASPECTS: [Aspect; 3] = [Aspect::Places, Aspect::Quota, Aspect::Rate];

    /// The refusal of a call.
    pub(super) fn refusal(&self, aspect: Aspect, after: Duration, now: Duration) -> Fault {
        let told = |quota: NonZeroU64, span| {
            let per = self.settings.per.as_slice().into();
            Fault::Limited(Limit::Set(Arc::new(SetLimit { per, number: self.number, quota, span })), after)
        };
        let settings = &self.settings;
        match (aspect, settings.rate, settings.concurrency, settings.quota) {
            (Aspect::Rate, Some(rate), ..) => told(rate.pace.count.into(), Span::Each(rate.pace.window.length())),
            (Aspect::Places, _, Some(most), _) => told(most.into(), Span::AtOnce),
            (Aspect::Quota, _, _, Some(Quota { most, unit })) => {
                let page = Page::of(unit, now);
                told(most, Span::Calendar { unit, length: Duration::from_secs(page.length), resets: page.end() })
            }
            // Nothing is refused by what is not there.
            _ => Fault::Internal,
        }
    }

    /// What a store is asked for.
    pub(super) fn demand(&self, aspect: Aspect, name: &str, now: Duration) -> Option<Demand> {
        let StoreNames { flow, quota } = &self.names;
        let settings = &self.settings;
        Some(match aspect {
            Aspect::Places => {
                Demand { key: format!("p:{flow}:{name}"), measure: Measure::Places(settings.concurrency?) }
            }
            Aspect::Rate => Demand { key: format!("r:{flow}:{name}"), measure: Measure::Rate(settings.rate?) },
            Aspect::Quota => {
                let Quota { most, unit } = settings.quota?;
                let page = Page::of(unit, now);
                let key = format!("q:{quota}:{}:{name}", page.start);
                Demand { key, measure: Measure::Quota(most, page.end()) }
            }
        })
    }
}

impl StoreNames {
    /// `same` tells a limit from those before it in the configuration that are the same in all.
    fn of(settings: &RuleSettings, same: usize) -> Self {
        let what = format!("{:?} {:?} {same}", settings.per, settings.matches);
        let flow = format!("{what} {:?} {:?}", settings.rate, settings.concurrency);
        let quota = format!("{what} {:?}", settings.quota.map(|quota| quota.unit));
        Self { flow: hashed(flow.as_bytes()), quota: hashed(quota.as_bytes()) }
    }
}

/// A text of a fixed length that stands for a name: the store learns nobody's name, and nobody chooses its keys. 96 bits are enough that
/// no two of a billion names are the same.
fn hashed(name: &[u8]) -> String {
    let digest = digest(&SHA256, name);
    URL_SAFE_NO_PAD.encode(digest.as_ref().first_chunk::<12>().map_or(&[][..], |short| short))
}
