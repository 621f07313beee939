//! What a group holds: its peers, its lists, its listeners, and when it was used.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use crate::{
    clock,
    mcp::{Fault, Principal, UpstreamFault},
    telemetry::metrics::InUse,
    upstream::{
        bus::Bus, credential::Courier, errand::Greeting, peer::Peer, pool::Upstream, record::Record, shelf::Shelf,
        wishes::Wishes,
    },
};

use super::key::{GroupKey, Owner};

/// How long a change of the subscriptions on a server may take.
pub(super) const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(2);

/// How long a group is kept for a task at the most, whatever its server says.
const MAX_TASK_KEEP: Duration = Duration::from_secs(3600);

/// The peers that one group of clients shares.
pub struct Group {
    pub(super) upstream: Arc<Upstream>,
    pub(super) key: GroupKey,
    pub(super) bus: Arc<Bus>,
    /// How requests over HTTP are sent in its principal's name.
    pub(super) courier: Option<Arc<Courier>>,
    pub(super) peers: Mutex<Vec<Arc<Peer>>>,
    pub(super) greeting: ArcSwapOption<Greeting>,
    /// What its server said before it ran as it does.
    pub(super) remembered: Option<Arc<Greeting>>,
    /// The only principal who may read what is kept of it.
    pub(super) reader: Option<Arc<str>>,
    /// Starts under way, and those of them that wait for a process to end.
    pub(super) starting: AtomicUsize,
    pub(super) out_of_places: AtomicUsize,
    pub(super) started: watch::Sender<Started>,
    /// How its peers failed.
    pub(super) record: Record,
    pub(super) released: Notify,
    /// The last call that waited has left.
    pub(super) left: Notify,
    pub(super) waiting: AtomicUsize,
    pub(super) shelves: [Shelf; 4],
    /// Held while what is known is kept.
    pub(super) shelving: Mutex<()>,
    pub(super) wishes: Arc<Wishes>,
    pub(super) listeners: AtomicUsize,
    pub(super) last_used: Mutex<Instant>,
    /// Until when its server may be at work on a task that nobody waits for.
    tasks_until: Mutex<Option<Instant>>,
    pub(super) is_closed: AtomicBool,
    /// Turns true when it is closed: whoever listens then listens to another one.
    pub(super) ended: watch::Sender<bool>,
    pub(super) tasks: Mutex<JoinSet<()>>,
    _counted: InUse,
}

/// What a group begins with: what is known of its server from before.
#[derive(Default)]
pub(in crate::upstream) struct Beginning {
    pub(super) greeting: Option<Arc<Greeting>>,
    pub(super) shelves: [Shelf; 4],
}

/// What came of the newest start.
#[derive(Debug, Default)]
pub(super) struct Started {
    pub(super) fault: Option<UpstreamFault>,
}

impl Group {
    /// A group that begins with what is known from before, for whoever may read what is kept of it.
    pub(in crate::upstream) fn new(
        upstream: Arc<Upstream>,
        key: GroupKey,
        reader: Option<Arc<str>>,
        beginning: Beginning,
    ) -> Self {
        Self {
            remembered: beginning.greeting,
            reader,
            bus: Arc::new(Bus::new(upstream.metrics().clone())),
            courier: upstream.courier(),
            record: Record::new(upstream.restart_of_keys()),
            _counted: InUse::of(upstream.metrics().groups()),
            upstream,
            key,
            peers: Mutex::default(),
            greeting: ArcSwapOption::empty(),
            starting: AtomicUsize::new(0),
            out_of_places: AtomicUsize::new(0),
            started: watch::Sender::default(),
            released: Notify::new(),
            left: Notify::new(),
            waiting: AtomicUsize::new(0),
            shelves: beginning.shelves,
            shelving: Mutex::default(),
            wishes: Arc::default(),
            listeners: AtomicUsize::new(0),
            last_used: Mutex::new(clock::now()),
            tasks_until: Mutex::default(),
            is_closed: AtomicBool::new(false),
            ended: watch::Sender::new(false),
            tasks: Mutex::default(),
        }
    }

    /// The upstream's name.
    pub fn server(&self) -> &Arc<str> {
        self.upstream.name()
    }

    /// Its principal came, perhaps with another token.
    pub(in crate::upstream) fn act_for(&self, principal: &Principal) {
        if let Some(courier) = &self.courier {
            courier.act_for(principal);
        }
    }

    pub(super) fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = clock::now();
    }

    /// Everything that was read of its server may be otherwise by now.
    pub(in crate::upstream) fn outdate(&self) {
        self.bus.publish_gap();
    }

    /// How long nobody used it; `None` while somebody does.
    pub(in crate::upstream) fn idle_for(&self) -> Option<Duration> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at every now and then, a dead peer does not stay among the children.
        peers.retain(|peer| peer.is_alive());
        let is_used = self.listeners.load(Ordering::Acquire) > 0 || peers.iter().any(|peer| peer.leased() > 0);
        let is_used = is_used || self.waiting.load(Ordering::Acquire) > 0;
        let own = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        let last_used = peers.iter().map(|peer| peer.last_used()).max().map_or(own, |newest| newest.max(own));
        (!is_used).then(|| clock::now().saturating_duration_since(last_used))
    }

    /// Its server has a task, and keeps it for so long.
    pub(super) fn keep_for_task(&self, ttl: Option<Duration>) {
        let until = clock::now() + ttl.unwrap_or(MAX_TASK_KEEP).min(MAX_TASK_KEEP);
        let mut tasks_until = self.tasks_until.lock().unwrap_or_else(PoisonError::into_inner);
        *tasks_until = Some(tasks_until.map_or(until, |known| known.max(until)));
    }

    /// Whether its server may be at work on a task: it is then not ended for being idle, but still when another needs its place.
    pub(in crate::upstream) fn may_have_tasks(&self) -> bool {
        let tasks_until = *self.tasks_until.lock().unwrap_or_else(PoisonError::into_inner);
        tasks_until.is_some_and(|until| clock::now() < until)
    }

    /// A task of its own.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    pub(super) fn broken(&self, fault: UpstreamFault) -> Fault {
        Fault::Broken(self.server().clone(), fault)
    }

    pub(in crate::upstream) const fn owner(&self) -> &Owner {
        &self.key.owner
    }

    pub(in crate::upstream) const fn record(&self) -> &Record {
        &self.record
    }

    pub(in crate::upstream) fn waiting_now(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Its peers that are alive.
    pub(in crate::upstream) fn peers_now(&self) -> Vec<Arc<Peer>> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.iter().filter(|peer| peer.is_alive()).cloned().collect()
    }

    pub(in crate::upstream) fn has_peers(&self) -> bool {
        !self.peers.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Ends children beyond the least number that had no calls for so long.
    pub(in crate::upstream) async fn end_idle(&self, limit: Duration) {
        if !self.upstream.is_stdio() || self.may_have_tasks() || self.listeners.load(Ordering::Acquire) > 0 {
            return;
        }
        let mut peers = self.peers_now();
        let surplus = peers.len().saturating_sub(self.upstream.settings().pool.min.max(1));
        let now = clock::now();
        // The newest first: what a server remembers is in the oldest.
        peers.reverse();
        peers.retain(|peer| peer.leased() == 0 && now.saturating_duration_since(peer.last_used()) >= limit);
        for peer in peers.into_iter().take(surplus) {
            peer.retire();
            if peer.leased() == 0 {
                peer.close().await;
            }
        }
    }

    /// Peers that are alive, and calls in flight on them.
    pub(in crate::upstream) fn load(&self) -> (usize, usize) {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = peers.iter().filter(|peer| peer.is_alive());
        alive.fold((0, 0), |(count, calls), peer| (count + 1, calls + peer.leased()))
    }

    /// Ends all peers. Calls in flight end with them.
    pub(in crate::upstream) async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.ended.send_replace(true);
        let peers = std::mem::take(&mut *self.peers.lock().unwrap_or_else(PoisonError::into_inner));
        let mut closing = JoinSet::new();
        for peer in peers {
            closing.spawn(async move { peer.close().await });
        }
        while closing.join_next().await.is_some() {}
        self.released.notify_waiters();
    }
}
