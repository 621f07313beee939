//! Peers of a group, started: for calls that wait, to have the least number of them, and to succeed others.

use std::sync::{
    Arc, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    mcp::{ListKind, UpstreamFault},
    telemetry::metrics::InUse,
    upstream::{
        listener,
        opening::{Opening, Terms},
        owners::Attribution,
        peer::{Link, Peer},
        place::Beyond,
    },
};

use super::{changes, core::Group, key::Owner};

/// A start under way.
struct UnderWay(Arc<Group>);

impl UnderWay {
    fn of(group: &Arc<Group>) -> Self {
        group.starting.fetch_add(1, Ordering::AcqRel);
        Self(group.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.starting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Group {
    /// Starts what those who wait have use for, unless it is under way.
    ///
    /// # Errors
    /// Nothing may be started now.
    pub(super) fn start_for_waiting(self: &Arc<Self>) -> Result<(), UpstreamFault> {
        let waiting = self.waiting.load(Ordering::Acquire);
        self.start_up_to(waiting.div_ceil(self.expected_room()), Purpose::Calls)
    }

    /// Starts what is missing of the least number of peers, as far as that may be.
    pub(in crate::upstream) fn keep_least(self: &Arc<Self>) {
        let least = self.upstream.settings().pool.min;
        if least > 0 && self.upstream.is_stdio() && !self.is_closed.load(Ordering::Acquire) {
            let _ = self.start_up_to(least, Purpose::Least);
        }
    }

    fn start_up_to(self: &Arc<Self>, wanted: usize, purpose: Purpose) -> Result<(), UpstreamFault> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let live = peers.iter().filter(|peer| peer.takes_calls()).count();
        let under_way = self.starting.load(Ordering::Acquire);
        // For calls that wait, those that live are busy.
        let there = if purpose == Purpose::Calls { under_way } else { live + under_way };
        let missing = wanted.min(self.most_peers()).saturating_sub(there);
        let missing = missing.min(self.most_peers().saturating_sub(live + under_way));
        if missing == 0 {
            return Ok(());
        }
        self.upstream.may_start()?;
        self.record.may_start()?;
        let starts: Vec<UnderWay> = (0..missing).map(|_| UnderWay::of(self)).collect();
        drop(peers);
        for under_way in starts {
            let group = self.clone();
            self.spawn(async move { group.start(under_way, purpose).await });
        }
        Ok(())
    }

    fn most_peers(&self) -> usize {
        match (self.upstream.is_stdio(), &self.key.owner) {
            (false, _) | (_, Owner::Session(_)) => 1,
            (true, Owner::Everybody | Owner::Principal(_)) => self.upstream.settings().pool.max_per_key,
        }
    }

    /// Whether what is being started waits for another process to end.
    pub(super) fn is_out_of_places(&self) -> bool {
        self.upstream.is_stdio() && self.out_of_places.load(Ordering::Acquire) > 0
    }

    /// Whether a start of it waits for a place, and somebody for that start.
    pub(in crate::upstream) fn wants_a_place(&self) -> bool {
        let is_wanted = self.waiting.load(Ordering::Acquire) > 0 || self.upstream.settings().pool.min > 0;
        is_wanted && self.is_out_of_places()
    }

    async fn start(self: &Arc<Self>, under_way: UnderWay, purpose: Purpose) {
        let fault = match self.start_one(purpose).await {
            Ok(_) => None,
            Err(NotStarted::Fault(fault)) => Some(fault),
            Err(NotStarted::Unwanted) => {
                drop(under_way);
                // Whoever came just now counted on it.
                if self.waiting.load(Ordering::Acquire) > 0 {
                    let _ = self.start_for_waiting();
                }
                return;
            }
        };
        drop(under_way);
        self.started.send_modify(|started| started.fault = fault);
        if fault.is_none() {
            self.wake_waiting();
            // Those for whom it was may have left, and others wait for its place.
            self.upstream.make_room();
        }
    }

    /// Another peer, in the place of one that is about to go: one more than there may be, if need be.
    pub(super) async fn start_successor(self: &Arc<Self>) -> Result<Arc<Peer>, UpstreamFault> {
        self.upstream.may_start()?;
        self.record.may_start()?;
        self.start_one(Purpose::Succession).await.map_err(|not_started| match not_started {
            NotStarted::Fault(fault) => fault,
            NotStarted::Unwanted => UpstreamFault::Gone,
        })
    }

    async fn start_one(self: &Arc<Self>, purpose: Purpose) -> Result<Arc<Peer>, NotStarted> {
        self.upstream.find_era_again().await?;
        let spare = self.upstream.take_spare(&self.key.profile).map(|spare| spare.opening);
        let place = match &spare {
            Some(spare) => {
                self.seat(spare, purpose).await?;
                None
            }
            None => self.place(purpose).await?,
        };
        match self.upstream.connect(self.terms(), spare, place).await {
            Ok(_) if self.is_closed.load(Ordering::Acquire) => Err(UpstreamFault::Gone.into()),
            Ok(peer) => Ok(self.adopt(peer)),
            Err(fault) => {
                if self.is_counted(fault) {
                    self.record.failed(fault);
                }
                Err(fault.into())
            }
        }
    }

    /// Whether a connection that failed so is counted against this key. A process' failure is counted against the server.
    fn is_counted(&self, fault: UpstreamFault) -> bool {
        // It depends on the caller, and may be otherwise with the next call; or nothing was tried, and when to try is said elsewhere.
        let is_of_the_caller = matches!(
            fault,
            UpstreamFault::Unconnected
                | UpstreamFault::NoToken
                | UpstreamFault::TokensAway
                | UpstreamFault::LeftAlone(_)
        );
        !is_of_the_caller && !self.upstream.is_stdio()
    }

    /// A place for another process, as long as somebody wants one.
    async fn place(self: &Arc<Self>, purpose: Purpose) -> Result<Option<OwnedSemaphorePermit>, NotStarted> {
        let beyond = if purpose == Purpose::Succession { Beyond::Once } else { Beyond::Never };
        let _waits = Waits::of(&self.out_of_places);
        tokio::select! {
            biased;
            () = self.nobody_waits(), if purpose == Purpose::Calls => Err(NotStarted::Unwanted),
            place = self.upstream.place(self, beyond) => Ok(place),
        }
    }

    /// A spare that is one more than there may be, and is to stay, gets a place of those that there may be.
    async fn seat(self: &Arc<Self>, spare: &Opening, purpose: Purpose) -> Result<(), NotStarted> {
        let Some(own) = spare.take_place() else { return Ok(()) };
        if purpose == Purpose::Succession || !self.upstream.is_beyond(&own) {
            spare.hold(Some(own));
            return Ok(());
        }
        let place = self.place(purpose).await?;
        spare.hold(place);
        Ok(())
    }

    /// Ready when no call waits for a peer.
    async fn nobody_waits(&self) {
        loop {
            let mut left = std::pin::pin!(self.left.notified());
            left.as_mut().enable();
            if self.waiting.load(Ordering::Acquire) == 0 {
                return;
            }
            left.await;
        }
    }

    fn terms(&self) -> Terms {
        let attribution = match self.key.owner {
            Owner::Everybody => Attribution::Nobody,
            Owner::Principal(_) => Attribution::OnlyCall,
            Owner::Session(_) => Attribution::NewestCall,
        };
        let profile = self.key.profile.clone();
        Terms { profile, attribution, bus: self.bus.clone(), courier: self.courier.clone() }
    }

    fn adopt(self: &Arc<Self>, peer: Peer) -> Arc<Peer> {
        let peer = Arc::new(peer);
        peer.count(InUse::of(self.upstream.metrics().children()));
        let greeting = &peer.greeting;
        let announces = greeting.offer.subscribe || ListKind::ALL.iter().any(|kind| greeting.offer.announces(*kind));
        if !greeting.dialect.is_legacy() && announces {
            peer.spawn(listener::subscription(Arc::downgrade(&peer), self.bus.clone(), self.wishes.clone()));
        }
        self.tell_again_when_renewed(&peer);
        if !self.upstream.is_stdio() {
            self.record.works();
        }
        let is_another = self.greeting.swap(Some(Arc::new(greeting.clone()))).is_some();
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|peer| peer.is_alive());
        let replaces = is_another && peers.is_empty();
        peers.push(peer.clone());
        drop(peers);
        self.woke(&peer.greeting);
        self.attend(&peer);
        if replaces {
            self.upstream.metrics().restarts().inc();
            self.after_restart(&peer);
        }
        self.keep_least();
        peer
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
    pub(super) fn after_restart(self: &Arc<Self>, peer: &Arc<Peer>) {
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

    /// There may be room for as many as one peer takes.
    fn wake_waiting(&self) {
        for _ in 0..self.waiting.load(Ordering::Acquire).min(self.expected_room()) {
            self.released.notify_one();
        }
    }
}

/// What a peer is started for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Calls that wait.
    Calls,
    /// To have the least number of them.
    Least,
    /// To take over from another.
    Succession,
}

/// Why there is no other peer.
enum NotStarted {
    Fault(UpstreamFault),
    /// Those for whom it was left before there was a place.
    Unwanted,
}

impl From<UpstreamFault> for NotStarted {
    fn from(fault: UpstreamFault) -> Self {
        Self::Fault(fault)
    }
}

/// Counts one more for as long as it lives.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
