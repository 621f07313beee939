//! A peer for one call: one with room, else the first that becomes free or is started for it.
//!
//! Calls wait in a bounded queue, first come first served, each with a deadline. Starts run beside them: as many as those who wait have
//! use for, within the bounds of the key and of the server.

use std::{
    pin::pin,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    clock,
    mcp::{Fault, Limit, UpstreamFault},
    telemetry::metrics::InUse,
    upstream::peer::{Link, Peer},
};

use super::{core::Group, key::Owner};

/// The longest wait after a crash that a call waits, too.
const SHORT: Duration = Duration::from_secs(1);

/// A peer held for one call.
pub(super) struct Lease {
    pub(super) peer: Arc<Peer>,
    group: Arc<Group>,
    ended: Option<std::time::Instant>,
}

impl Lease {
    fn new(peer: &Arc<Peer>, group: &Arc<Group>) -> Self {
        peer.leases.fetch_add(1, Ordering::AcqRel);
        Self { peer: peer.clone(), group: group.clone(), ended: None }
    }

    /// Its call ended at that moment, a moment ago.
    pub(super) const fn ends_at(&mut self, moment: std::time::Instant) {
        self.ended = Some(moment);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.peer.let_go(self.ended.unwrap_or_else(clock::now));
        if self.group.waiting.load(Ordering::Acquire) > 0 {
            self.group.released.notify_one();
        }
        self.group.upstream.make_room();
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
        if self.group.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.group.left.notify_waiters();
        }
    }
}

impl Group {
    /// Calls that one peer takes at a time. A legacy child that may ask questions gets one: a question on stdio names no call.
    fn room(&self, peer: &Peer) -> usize {
        match peer.link {
            Link::Http(_) => usize::MAX,
            Link::Stdio(..) | Link::Sse(_) if peer.greeting.dialect.is_legacy() && self.asks() => 1,
            Link::Stdio(..) | Link::Sse(_) => self.upstream.settings().pool.max_in_flight,
        }
    }

    /// Whether a legacy child of this group may ask a question that could be anybody's.
    fn asks(&self) -> bool {
        self.key.profile.is_interactive() && !matches!(self.key.owner, Owner::Session(_))
    }

    /// What a peer that is not there yet will take.
    pub(super) fn expected_room(&self) -> usize {
        if self.asks() { 1 } else { self.upstream.settings().pool.max_in_flight }
    }

    /// A peer with room, taken in the order in which they were started, so that what a server remembers is found again.
    fn try_lease(self: &Arc<Self>) -> Option<Lease> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = peers.iter().find(|peer| peer.takes_calls() && peer.leased() < self.room(peer))?;
        Some(Lease::new(peer, self))
    }

    /// The peer with that mark, whatever its room: what is asked of it no other can answer.
    pub(super) fn lease_of(self: &Arc<Self>, mark: &str) -> Option<Lease> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = peers.iter().find(|peer| peer.mark.as_deref() == Some(mark) && peer.is_alive())?;
        Some(Lease::new(peer, self))
    }

    /// Whether calls can be sent somewhere, now or when one has ended.
    fn is_served(&self) -> bool {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|peer| peer.takes_calls())
    }

    /// A peer for one call: one with room, else the first that becomes free or is started.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Fault> {
        // Who waits came first.
        if self.waiting.load(Ordering::Acquire) == 0
            && let Some(lease) = self.try_lease()
        {
            return Ok(lease);
        }
        let pool = &self.upstream.settings().pool;
        let (waiting, before) = Waiting::join(self);
        if before >= pool.max_queue {
            return Err(Fault::Limited(Limit::Queue, pool.queue_timeout));
        }
        // Rare, and long: it does not make every call's future larger.
        let leased = Box::pin(self.wait_for_lease()).await;
        drop(waiting);
        leased
    }

    async fn wait_for_lease(self: &Arc<Self>) -> Result<Lease, Fault> {
        let patience = self.upstream.settings().pool.queue_timeout;
        let mut deadline = pin!(sleep_until(Instant::from_std(clock::now() + patience)));
        let mut started = self.started.subscribe();
        loop {
            let mut released = pin!(self.released.notified());
            released.as_mut().enable();
            if let Some(lease) = self.try_lease() {
                return Ok(lease);
            }
            if self.is_closed.load(Ordering::Acquire) {
                return Err(self.broken(UpstreamFault::Gone));
            }
            if let Err(fault) = self.start_for_waiting()
                && !self.is_served()
            {
                // A child that crashed comes back in a moment; what cannot be started at all is said to be so at once.
                let is_short =
                    |pause: &Duration| *pause <= SHORT && self.upstream.is_stdio() && self.upstream.may_start().is_ok();
                match self.record.pause().filter(is_short) {
                    Some(pause) => sleep(pause).await,
                    None => return Err(self.broken(fault)),
                }
                continue;
            }
            tokio::select! {
                () = released => (),
                Ok(()) = started.changed() => {
                    let fault = started.borrow_and_update().fault;
                    if let Some(fault) = fault.filter(|_| !self.is_served()) {
                        return Err(self.broken(fault));
                    }
                }
                () = &mut deadline => {
                    // A first start has a deadline of its own, which fits what it does.
                    if self.is_served() || self.starting.load(Ordering::Acquire) == 0 || self.is_out_of_places() {
                        return Err(Fault::Limited(Limit::Queue, patience));
                    }
                    deadline.as_mut().reset(Instant::from_std(clock::now() + patience));
                }
            }
        }
    }
}
