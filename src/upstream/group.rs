//! The peers that one group of clients shares: found for a call, started when there are too few, and listened to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use tokio::{
    sync::{Notify, broadcast, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    clock,
    era::legacy,
    mcp::{Fault, Filter, Limit, ListKind, Notice, Outcome, Profile, Stage, UpstreamFault},
};

use super::{
    bus::Bus,
    catalog::{self, Fetch, FetchLimits, Shelf, Stock},
    converse::{Patience, converse},
    errand::{Errand, Greeting},
    listener,
    opening::{Terms, Verdict},
    owners::Attribution,
    peer::Peer,
    pool::Upstream,
    settings::Isolation,
};

/// How long a change of the subscriptions on a server may take.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(2);
/// Waits after failed starts: doubled from the first to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Who shares the peers of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupKey {
    /// The owner.
    pub owner: Owner,
    /// What their clients can be asked.
    pub profile: Profile,
}

/// Whose a group is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Everybody's.
    Everybody,
    /// One principal's.
    Principal(Arc<str>),
    /// One legacy session's.
    Session(Arc<str>),
}

/// The peers that one group of clients shares.
pub struct Group {
    upstream: Arc<Upstream>,
    key: GroupKey,
    bus: Arc<Bus>,
    peers: Mutex<Vec<Arc<Peer>>>,
    greeting: ArcSwapOption<Greeting>,
    starting: tokio::sync::Mutex<Failures>,
    released: Notify,
    waiting: AtomicUsize,
    shelves: [Shelf; 4],
    uris: Mutex<BTreeMap<String, usize>>,
    wanted: watch::Sender<BTreeSet<String>>,
    granted: watch::Sender<Option<Filter>>,
    listeners: AtomicUsize,
    last_used: Mutex<Instant>,
    is_closed: AtomicBool,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Failures {
    count: u32,
    until: Option<Instant>,
    fault: Option<UpstreamFault>,
}

/// A peer held for one call.
pub(super) struct Lease {
    pub(super) peer: Arc<Peer>,
    group: Arc<Group>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.peer.leases.fetch_sub(1, Ordering::AcqRel);
        self.group.touch();
        if self.group.waiting.load(Ordering::Acquire) > 0 {
            self.group.released.notify_one();
        }
    }
}

impl Group {
    pub(super) fn new(upstream: Arc<Upstream>, key: GroupKey) -> Self {
        Self {
            upstream,
            key,
            bus: Arc::new(Bus::new()),
            peers: Mutex::default(),
            greeting: ArcSwapOption::empty(),
            starting: tokio::sync::Mutex::default(),
            released: Notify::new(),
            waiting: AtomicUsize::new(0),
            shelves: Default::default(),
            uris: Mutex::default(),
            wanted: watch::Sender::default(),
            granted: watch::Sender::new(None),
            listeners: AtomicUsize::new(0),
            last_used: Mutex::new(clock::now()),
            is_closed: AtomicBool::new(false),
            tasks: Mutex::default(),
        }
    }

    /// The upstream's name.
    pub fn server(&self) -> &Arc<str> {
        self.upstream.name()
    }

    fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = clock::now();
    }

    /// How long nobody used it; `None` while somebody does.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let is_used = self.listeners.load(Ordering::Acquire) > 0 || peers.iter().any(|peer| peer.leased() > 0);
        let last_used = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        (!is_used).then(|| clock::now().saturating_duration_since(last_used))
    }

    // --- peers -------------------------------------------------------------------------------------------------------

    /// Calls that one peer takes at a time. A legacy child that may ask questions gets one: a question on stdio names no call.
    fn room(&self, peer: &Peer) -> usize {
        use super::peer::Link;
        let is_exclusive = matches!(peer.link, Link::Stdio(..) | Link::Sse(_))
            && peer.greeting.dialect.is_legacy()
            && self.key.profile.is_interactive()
            && !matches!(self.key.owner, Owner::Session(_));
        match peer.link {
            _ if is_exclusive => 1,
            Link::Http(_) => usize::MAX,
            Link::Stdio(..) | Link::Sse(_) => self.upstream.settings().pool.max_in_flight,
        }
    }

    /// A peer with room, taken in the order in which they were started, so that what a server remembers is found again.
    fn try_lease(self: &Arc<Self>) -> Option<Lease> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|peer| peer.is_alive());
        let peer = peers.iter().find(|peer| peer.leased() < self.room(peer))?;
        peer.leases.fetch_add(1, Ordering::AcqRel);
        Some(Lease { peer: peer.clone(), group: self.clone() })
    }

    /// Peers that are alive, and calls in flight on them.
    pub(super) fn load(&self) -> (usize, usize) {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = peers.iter().filter(|peer| peer.is_alive());
        alive.fold((0, 0), |(count, calls), peer| (count + 1, calls + peer.leased()))
    }

    fn live_peers(&self) -> usize {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|peer| peer.is_alive());
        peers.len()
    }

    /// A peer for one call: one with room, else a new one, else the first that becomes free.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Fault> {
        if let Some(lease) = self.try_lease() {
            return Ok(lease);
        }
        let pool = &self.upstream.settings().pool;
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= pool.max_queue {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(Fault::Limited(Limit::Queue, pool.queue_timeout));
        }
        let leased = self.wait_for_lease().await;
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        leased
    }

    async fn wait_for_lease(self: &Arc<Self>) -> Result<Lease, Fault> {
        let pool = &self.upstream.settings().pool;
        let deadline = clock::now() + pool.queue_timeout;
        loop {
            let released = self.released.notified();
            match self.start_peer().await {
                Ok(()) => {
                    if let Some(lease) = self.try_lease() {
                        return Ok(lease);
                    }
                }
                // No place for another process: one of ours must become free.
                Err(StartFault::NoPlace) => {
                    let left = deadline.saturating_duration_since(clock::now());
                    if timeout(left, released).await.is_err() {
                        return Err(Fault::Limited(Limit::Queue, pool.queue_timeout));
                    }
                    if let Some(lease) = self.try_lease() {
                        return Ok(lease);
                    }
                }
                Err(StartFault::Upstream(fault)) => return Err(Fault::Broken(self.server().clone(), fault)),
            }
        }
    }

    /// Starts a peer unless one with room appeared meanwhile. One at a time: a crowd of callers starts one process.
    async fn start_peer(self: &Arc<Self>) -> Result<(), StartFault> {
        let mut failures = self.starting.lock().await;
        if self.has_room() {
            return Ok(());
        }
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StartFault::Upstream(UpstreamFault::Gone));
        }
        if let (Some(until), Some(fault)) = (failures.until, failures.fault)
            && clock::now() < until
        {
            return Err(StartFault::Upstream(fault));
        }
        if matches!(self.key.owner, Owner::Session(_)) && self.live_peers() > 0 {
            return Err(StartFault::NoPlace);
        }
        let place = self.upstream.place(self).map_err(|NoPlace| StartFault::NoPlace)?;
        match self.upstream.connect(self.terms(place)).await {
            Ok(peer) => {
                *failures = Failures::default();
                self.adopt(peer);
                Ok(())
            }
            Err(fault) => {
                failures.count += 1;
                let wait = BACKOFF.0.saturating_mul(1 << (failures.count - 1).min(10)).min(BACKOFF.1);
                failures.until = Some(clock::now() + wait);
                failures.fault = Some(fault);
                Err(StartFault::Upstream(fault))
            }
        }
    }

    fn has_room(&self) -> bool {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|peer| peer.is_alive());
        peers.iter().any(|peer| peer.leased() < self.room(peer))
    }

    fn terms(&self, place: Option<tokio::sync::OwnedSemaphorePermit>) -> Terms {
        let is_shared = self.key.owner == Owner::Everybody;
        let attribution = match self.key.owner {
            Owner::Everybody => Attribution::Nobody,
            Owner::Principal(_) => Attribution::OnlyCall,
            Owner::Session(_) => Attribution::NewestCall,
        };
        // A shared legacy child could not say whom it asks; over HTTP the question comes on the call's own stream.
        let is_stdio = self.upstream.is_stdio();
        let profile = if is_shared && is_stdio { Profile::default() } else { self.key.profile.clone() };
        Terms { profile, attribution, bus: self.bus.clone(), place }
    }

    fn adopt(self: &Arc<Self>, peer: Peer) {
        let peer = Arc::new(peer);
        let greeting = &peer.greeting;
        let announces = greeting.offer.subscribe || ListKind::ALL.iter().any(|kind| greeting.offer.announces(*kind));
        if !greeting.dialect.is_legacy() && announces {
            let wishes = listener::Wishes { wanted: self.wanted.subscribe(), granted: self.granted.clone() };
            peer.spawn(listener::subscription(Arc::downgrade(&peer), self.bus.clone(), wishes));
        }
        let is_another = self.greeting.swap(Some(Arc::new(greeting.clone()))).is_some();
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let replaces = is_another && peers.is_empty();
        peers.push(peer.clone());
        drop(peers);
        if replaces {
            self.after_restart(&peer);
        }
    }

    /// Another process knows nothing of what the last one was told, and may offer something else.
    fn after_restart(self: &Arc<Self>, peer: &Arc<Peer>) {
        self.bus.publish_gap();
        if peer.greeting.dialect.is_legacy() && peer.greeting.offer.subscribe {
            let uris: Vec<String> = self.uris.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
            let weak = Arc::downgrade(peer);
            peer.spawn(async move {
                for uri in uris {
                    let Some(peer) = weak.upgrade() else { return };
                    let _ = peer.request(|_| legacy::back::subscribe(&uri), SUBSCRIBE_PATIENCE).await;
                }
            });
        }
    }

    // --- calls -------------------------------------------------------------------------------------------------------

    /// Carries a call: what the server says on the way goes to `stage`.
    ///
    /// # Cancel safety
    /// Dropped, it cancels the call upstream.
    pub async fn carry(self: &Arc<Self>, errand: Errand, stage: Stage) -> Outcome {
        let settings = self.upstream.settings();
        let patience = Patience { silence: settings.timeout, total: settings.total_timeout };
        let lease = match self.lease().await {
            Ok(lease) => lease,
            Err(fault) => return Outcome::Failed(fault),
        };
        lease.peer.raise_log_level(errand.caller.log).await;
        let started = clock::now();
        let trace = errand.trace.clone();
        let outcome = match lease.peer.start(&errand) {
            Ok(exchange) => converse(exchange, stage, errand, self.server().clone(), patience).await,
            Err(fault) => Outcome::Failed(Fault::Broken(self.server().clone(), fault)),
        };
        trace.spend(clock::now().saturating_duration_since(started));
        outcome
    }

    /// What the server offers; it is reached for that if it never was.
    ///
    /// # Errors
    /// The fault of reaching it.
    pub async fn greeting(self: &Arc<Self>) -> Result<Arc<Greeting>, Fault> {
        if let Some(greeting) = self.greeting.load_full() {
            return Ok(greeting);
        }
        drop(self.lease().await?);
        self.greeting.load_full().ok_or(Fault::Internal)
    }

    /// The client's roots changed: legacy peers of its session are told.
    pub fn roots_changed(&self) {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        for peer in peers.iter().filter(|peer| peer.greeting.dialect.is_legacy() && self.key.profile.roots) {
            peer.post(legacy::back::roots_changed());
        }
    }

    // --- lists -------------------------------------------------------------------------------------------------------

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
        match self.fresh(kind) {
            Some(stock) => Ok(stock),
            None => self.fetch_now(kind).await,
        }
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
        self.shelf(kind).finish(&fetch, fetched.map(Arc::new));
    }

    async fn fetch_from(&self, peer: &Peer, kind: ListKind, generation: u64) -> Result<Stock, UpstreamFault> {
        let limits: FetchLimits = self.upstream.fetch_limits();
        if peer.greeting.offer.lists(kind) {
            catalog::fetch(peer, kind, generation, limits).await
        } else {
            Ok(Stock::nothing(limits.legacy_ttl, generation))
        }
    }

    // --- changes -----------------------------------------------------------------------------------------------------

    /// Listens for changes. Ready when changes from now on are heard.
    ///
    /// # Errors
    /// The fault of reaching the server.
    pub async fn listen(self: &Arc<Self>, filter: &Filter) -> Result<Listening, Fault> {
        let greeting = self.greeting().await?;
        let offer = &greeting.offer;
        let mut listening = Listening::new(self.clone());
        listening.granted = Filter {
            tools: filter.tools && offer.tools_changed,
            prompts: filter.prompts && offer.prompts_changed,
            resources: filter.resources && offer.resources_changed,
            uris: Vec::new(),
        };
        let _ = timeout(SUBSCRIBE_PATIENCE, self.hears(&greeting)).await;
        if offer.subscribe {
            for uri in &filter.uris {
                if self.subscribe(uri, &greeting).await {
                    listening.granted.uris.push(uri.clone());
                }
            }
        }
        Ok(listening)
    }

    async fn hears(self: &Arc<Self>, greeting: &Greeting) {
        if greeting.dialect.is_legacy() {
            let peer = self.peers.lock().unwrap_or_else(PoisonError::into_inner).first().cloned();
            if let Some(peer) = peer {
                peer.hears().await;
            }
        } else {
            let _ = self.granted.subscribe().wait_for(Option::is_some).await;
        }
    }

    /// Counts a wish for a resource; the first one goes to the server. Whether it stands.
    async fn subscribe(self: &Arc<Self>, uri: &str, greeting: &Greeting) -> bool {
        let is_first = {
            let mut uris = self.uris.lock().unwrap_or_else(PoisonError::into_inner);
            let count = uris.entry(uri.to_owned()).or_insert(0);
            *count += 1;
            *count == 1
        };
        let stands = match (is_first, greeting.dialect.is_legacy()) {
            (false, true) => true,
            (true, true) => self.subscribe_legacy(uri).await,
            (_, false) => self.subscribe_modern(uri).await,
        };
        if !stands {
            self.unsubscribe(uri);
        }
        stands
    }

    async fn subscribe_legacy(self: &Arc<Self>, uri: &str) -> bool {
        let Ok(lease) = self.lease().await else { return false };
        let subscribed = lease.peer.request(|_| legacy::back::subscribe(uri), SUBSCRIBE_PATIENCE).await;
        matches!(subscribed, Ok(Ok(_)))
    }

    async fn subscribe_modern(&self, uri: &str) -> bool {
        let mut granted = self.granted.subscribe();
        self.wanted.send_if_modified(|wanted| wanted.insert(uri.to_owned()));
        let grants = |filter: &Option<Filter>| {
            filter.as_ref().is_some_and(|filter| filter.uris.iter().any(|granted| granted == uri))
        };
        let stands = timeout(SUBSCRIBE_PATIENCE, granted.wait_for(grants)).await;
        matches!(stands, Ok(Ok(_)))
    }

    fn unsubscribe(self: &Arc<Self>, uri: &str) {
        {
            let mut uris = self.uris.lock().unwrap_or_else(PoisonError::into_inner);
            match uris.get_mut(uri) {
                Some(count) if *count > 1 => {
                    *count -= 1;
                    return;
                }
                _ => drop(uris.remove(uri)),
            }
        }
        self.wanted.send_if_modified(|wanted| wanted.remove(uri));
        let is_legacy = self.greeting.load().as_ref().is_some_and(|greeting| greeting.dialect.is_legacy());
        let peer = self.peers.lock().unwrap_or_else(PoisonError::into_inner).first().cloned();
        if let Some(peer) = peer.filter(|_| is_legacy) {
            let (uri, weak) = (uri.to_owned(), Arc::downgrade(&peer));
            peer.spawn(async move {
                if let Some(peer) = Weak::upgrade(&weak) {
                    let _ = peer.request(|_| legacy::back::unsubscribe(&uri), SUBSCRIBE_PATIENCE).await;
                }
            });
        }
    }

    /// Ends all peers. Calls in flight end with them.
    pub(super) async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        let peers = std::mem::take(&mut *self.peers.lock().unwrap_or_else(PoisonError::into_inner));
        let mut closing = JoinSet::new();
        for peer in peers {
            closing.spawn(async move { peer.close().await });
        }
        while closing.join_next().await.is_some() {}
    }
}

enum StartFault {
    NoPlace,
    Upstream(UpstreamFault),
}

/// No place for another process.
#[derive(Debug)]
pub(super) struct NoPlace;

/// The owner that an isolation gives to a caller's group.
pub(super) fn owner(isolation: Isolation, caller: &crate::mcp::Caller) -> Owner {
    match (isolation, &caller.session) {
        (Isolation::Shared, _) => Owner::Everybody,
        (Isolation::Session, Some(session)) => Owner::Session(session.clone()),
        (Isolation::Session | Isolation::Principal, _) => Owner::Principal(caller.principal.id().into()),
    }
}

/// One listener of a group. Dropping it takes its wishes back.
pub struct Listening {
    group: Arc<Group>,
    notices: broadcast::Receiver<Notice>,
    /// What is heard.
    pub granted: Filter,
}

impl Listening {
    fn new(group: Arc<Group>) -> Self {
        group.listeners.fetch_add(1, Ordering::AcqRel);
        let notices = group.bus.subscribe();
        Self { group, notices, granted: Filter::default() }
    }

    /// The next notice. A listener that fell behind is told that everything it listens for changed.
    ///
    /// # Cancel safety
    /// No notice is lost.
    pub async fn next(&mut self) -> Vec<Notice> {
        loop {
            match self.notices.recv().await {
                Ok(notice) if self.wants(&notice) => return vec![notice],
                Ok(_) => (),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    let kinds = [ListKind::Tools, ListKind::Prompts, ListKind::Resources];
                    return kinds.into_iter().filter(|kind| self.granted.wants(*kind)).map(Notice::Changed).collect();
                }
                // The group is held, so its bus is there.
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    fn wants(&self, notice: &Notice) -> bool {
        match notice {
            Notice::Changed(kind) => self.granted.wants(*kind),
            Notice::Updated(uri, _) => self.granted.wants_resource(uri),
            Notice::Log(..) | Notice::Extension(..) => true,
            _ => false,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        for uri in std::mem::take(&mut self.granted.uris) {
            self.group.unsubscribe(&uri);
        }
        self.group.touch();
        self.group.listeners.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The key of a caller's group on a server of that era.
pub(super) fn key(isolation: Isolation, verdict: Verdict, caller: &crate::mcp::Caller) -> GroupKey {
    let profile = match verdict {
        // A modern server is told with each call what can be asked; all callers share.
        Verdict::Modern => Profile::default(),
        Verdict::Legacy | Verdict::LegacySse => caller.capabilities.profile.clone(),
    };
    let owner = match verdict {
        Verdict::Modern if isolation == Isolation::Session => owner(Isolation::Principal, caller),
        _ => owner(isolation, caller),
    };
    GroupKey { owner, profile }
}
