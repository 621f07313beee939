//! A peer for one call: one with room, else a new one, else the first that becomes free.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{
    clock,
    mcp::{Fault, Limit, ListKind, UpstreamFault},
    telemetry::metrics::InUse,
    upstream::{
        listener,
        opening::Terms,
        owners::Attribution,
        peer::{Link, Peer},
    },
};

use super::{
    changes,
    core::{Failures, Group},
    key::Owner,
};

/// Waits after failed starts: doubled from the first to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

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

/// A call in the queue. A caller that goes away leaves it, too.
struct Waiting<'a> {
    group: &'a Group,
    _queued: InUse,
}

impl<'a> Waiting<'a> {
    /// Joins the queue; how many were in it before.
    fn join(group: &'a Group) -> (Self, usize) {
        let before = group.waiting.fetch_add(1, Ordering::AcqRel);
        (Self { group, _queued: InUse::of(group.upstream.metrics().queued()) }, before)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.group.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Group {
    /// Calls that one peer takes at a time. A legacy child that may ask questions gets one: a question on stdio names no call.
    fn room(&self, peer: &Peer) -> usize {
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

    /// The peer with that mark, whatever its room: what is asked of it no other can answer.
    pub(super) fn lease_of(self: &Arc<Self>, mark: &str) -> Option<Lease> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = peers.iter().find(|peer| peer.mark.as_deref() == Some(mark) && peer.is_alive())?;
        peer.leases.fetch_add(1, Ordering::AcqRel);
        Some(Lease { peer: peer.clone(), group: self.clone() })
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
        let (waiting, before) = Waiting::join(self);
        if before >= pool.max_queue {
            return Err(Fault::Limited(Limit::Queue, pool.queue_timeout));
        }
        let leased = self.wait_for_lease().await;
        drop(waiting);
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
        let place = self.upstream.place(self).await.map_err(|NoPlace| StartFault::NoPlace)?;
        match self.upstream.connect(self.terms(place)).await {
            Ok(peer) => {
                *failures = Failures::default();
                self.adopt(peer);
                Ok(())
            }
            // It depends on the caller, and may be otherwise with the next call.
            Err(fault @ (UpstreamFault::Unconnected | UpstreamFault::NoToken)) => Err(StartFault::Upstream(fault)),
            // Nothing was tried, and when to try is said elsewhere.
            Err(fault @ UpstreamFault::LeftAlone(_)) => Err(StartFault::Upstream(fault)),
            Err(fault) => {
                failures.count += 1;
                let wait = BACKOFF.0.saturating_mul(1 << (failures.count - 1).min(10)).min(BACKOFF.1);
                failures.at = Some(clock::now());
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

    fn terms(&self, place: Option<OwnedSemaphorePermit>) -> Terms {
        let attribution = match self.key.owner {
            Owner::Everybody => Attribution::Nobody,
            Owner::Principal(_) => Attribution::OnlyCall,
            Owner::Session(_) => Attribution::NewestCall,
        };
        let profile = self.key.profile.clone();
        Terms { profile, attribution, bus: self.bus.clone(), courier: self.courier.clone(), place }
    }

    fn adopt(self: &Arc<Self>, peer: Peer) {
        let peer = Arc::new(peer);
        peer.count(InUse::of(self.upstream.metrics().children()));
        let greeting = &peer.greeting;
        let announces = greeting.offer.subscribe || ListKind::ALL.iter().any(|kind| greeting.offer.announces(*kind));
        if !greeting.dialect.is_legacy() && announces {
            peer.spawn(listener::subscription(Arc::downgrade(&peer), self.bus.clone(), self.wishes.clone()));
        }
        self.tell_again_when_renewed(&peer);
        let is_another = self.greeting.swap(Some(Arc::new(greeting.clone()))).is_some();
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let replaces = is_another && peers.is_empty();
        peers.push(peer.clone());
        drop(peers);
        self.woke(&peer.greeting);
        if replaces {
            self.upstream.metrics().restarts().inc();
            self.after_restart(&peer);
        }
    }

    /// A session that is opened anew knows nothing of what the last one was told.
    fn tell_again_when_renewed(&self, peer: &Arc<Peer>) {
        let Link::Http(http) = &peer.link else { return };
        let (weak, wishes, mut renewals) = (Arc::downgrade(peer), self.wishes.clone(), http.renewals());
        peer.spawn(async move {
            while renewals.changed().await.is_ok() {
                let Some(peer) = weak.upgrade() else { return };
                peer.tell_log_level_again().await;
                if peer.greeting.offer.subscribe {
                    changes::tell_again(&peer, &wishes).await;
                }
            }
        });
    }

    /// Another process knows nothing of what the last one was told, and may offer something else.
    fn after_restart(self: &Arc<Self>, peer: &Arc<Peer>) {
        self.bus.publish_gap();
        if peer.greeting.dialect.is_legacy() && peer.greeting.offer.subscribe {
            let (weak, wishes) = (Arc::downgrade(peer), self.wishes.clone());
            peer.spawn(async move {
                if let Some(peer) = weak.upgrade() {
                    changes::tell_again(&peer, &wishes).await;
                }
            });
        }
    }
}

enum StartFault {
    NoPlace,
    Upstream(UpstreamFault),
}

/// No place for another process.
#[derive(Debug)]
pub(in crate::upstream) struct NoPlace;
