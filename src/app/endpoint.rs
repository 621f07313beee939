//! One endpoint: its servers, and what they offer together.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use smallvec::SmallVec;

use crate::{
    limit::Limits,
    mcp::{Caller, ListKind},
    policy::{Policies, ToolFilter},
    route::{Index, Part},
    seal::KeyRing,
    telemetry::metrics::{InUse, METRICS},
    upstream::{Group, Library, Starts, Stock, Upstream, credential::Wallet, settings::ListSettings},
};

use super::{seen::Views, tasks::book::Book};

/// Joined lists kept at the most: one for each state of the servers' lists that callers see at a time.
const MAX_INDEXES: usize = 128;

/// Numbers of joined lists.
static VERSIONS: AtomicU64 = AtomicU64::new(1);

/// A server behind an endpoint.
#[derive(Clone)]
pub struct Member {
    /// The server.
    pub upstream: Arc<Upstream>,
    /// Which of its tools are offered.
    pub filter: Arc<ToolFilter>,
}

/// What outlives the settings.
#[derive(Clone)]
pub(super) struct Memory {
    /// The keys under which tokens are sealed.
    pub(super) ring: Arc<KeyRing>,
    /// Whose tasks they are.
    pub(super) book: Arc<Book>,
    /// How often, and how much at once.
    pub(super) limits: Arc<Limits>,
    /// What servers' credentials are made with.
    pub(super) wallet: Arc<Wallet>,
    /// Whose turn it is to start.
    pub(super) starts: Arc<Starts>,
    /// What servers listed before.
    pub(super) library: Arc<Library>,
}

/// One endpoint.
pub struct Endpoint {
    /// Its path.
    pub path: Arc<str>,
    /// Its servers in order.
    pub members: Vec<Member>,
    /// Whether names get their server's prefix.
    pub prefixed: bool,
    pub(super) lists: ListSettings,
    pub(super) ring: Arc<KeyRing>,
    pub(super) book: Arc<Book>,
    pub(super) limits: Arc<Limits>,
    pub(super) policies: Arc<Policies>,
    joined: Mutex<VecDeque<Arc<Joined>>>,
}

/// What is set for one.
pub(super) struct Settings<'a> {
    pub(super) path: &'a str,
    pub(super) prefixed: bool,
    pub(super) lists: ListSettings,
    pub(super) policies: Arc<Policies>,
}

/// A joined list and the lists that it was joined of.
pub(super) struct Joined {
    pub(super) kind: ListKind,
    stamps: SmallVec<[u64; 8]>,
    pub(super) index: Index,
    /// Its number: no other list has it.
    pub(super) version: u64,
    pub(super) views: Views,
    _counted: InUse,
}

/// A caller's groups on an endpoint's servers, in the order of the servers.
pub(super) type Groups = SmallVec<[Option<Arc<Group>>; 8]>;

/// The lists of an endpoint's servers, in the order of the servers.
pub(super) type Stocks = SmallVec<[Option<Arc<Stock>>; 8]>;

impl Endpoint {
    /// An endpoint over these servers.
    pub(super) fn new(settings: Settings<'_>, members: Vec<Member>, memory: Memory) -> Self {
        let Memory { ring, book, limits, .. } = memory;
        let Settings { path, prefixed, lists, policies } = settings;
        Self { path: path.into(), members, prefixed, lists, ring, book, limits, policies, joined: Mutex::default() }
    }

    /// The lists that are there for a caller now, fresh or not.
    pub(super) fn stocks_now(&self, caller: &Caller, kind: ListKind) -> Stocks {
        self.groups_now(caller).map(|group| group.and_then(|group| group.stock(kind))).collect()
    }

    /// The joined list that is there for a caller now, and the groups that it is of.
    pub(super) fn joined_now(&self, caller: &Caller, kind: ListKind) -> (Arc<Joined>, Groups) {
        let groups: Groups = self.groups_now(caller).collect();
        let stocks = groups.iter().map(|group| group.as_ref().and_then(|group| group.stock(kind))).collect();
        (self.join(kind, &stocks), groups)
    }

    /// The caller's group on each server whose era is known.
    pub(super) fn groups_now(&self, caller: &Caller) -> impl Iterator<Item = Option<Arc<Group>>> {
        self.members.iter().map(|member| member.upstream.group_now(caller))
    }

    /// The joined list of these lists.
    pub(super) fn join(&self, kind: ListKind, stocks: &Stocks) -> Arc<Joined> {
        let stamps = stocks.iter().map(|stock| stock.as_ref().map_or(0, |stock| stock.stamp));
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) =
            joined.iter().find(|joined| joined.kind == kind && stamps.clone().eq(joined.stamps.iter().copied()))
        {
            return known.clone();
        }
        let made = Arc::new(Joined {
            kind,
            stamps: stamps.collect(),
            index: self.index(kind, stocks),
            version: VERSIONS.fetch_add(1, Ordering::Relaxed),
            views: Views::default(),
            _counted: InUse::of(&METRICS.joined_lists),
        });
        if joined.len() >= MAX_INDEXES {
            joined.pop_back();
        }
        joined.push_front(made.clone());
        made
    }

    fn index(&self, kind: ListKind, stocks: &Stocks) -> Index {
        let parts: Vec<Part> = self.parts(stocks);
        let index = Index::build(kind, &parts, self.prefixed);
        for (name, server) in &index.collisions {
            tracing::warn!(
                endpoint = &*self.path,
                name = &**name,
                server = &**server,
                "name is taken by an earlier server"
            );
        }
        index
    }

    fn parts(&self, stocks: &Stocks) -> Vec<Part> {
        let pairs = self.members.iter().zip(stocks);
        let part = |(member, stock): (&Member, &Option<Arc<Stock>>)| Part {
            server: member.upstream.name().clone(),
            catalog: stock.as_ref().map(|stock| stock.catalog.clone()),
            filter: member.filter.clone(),
        };
        pairs.map(part).collect()
    }

    /// The member whose prefix a name has, and the name without it.
    pub(super) fn by_prefix<'a>(&self, name: &'a str) -> Option<(usize, &'a str)> {
        self.members.iter().enumerate().find_map(|(place, member)| {
            let own = name.strip_prefix(&**member.upstream.name())?.strip_prefix("__")?;
            Some((place, own))
        })
    }
}
