//! Looking after a peer that is a child: how it ends, whether it hangs, and when it has lived long enough.

use std::{
    sync::{Arc, PoisonError, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};

use crate::{
    clock,
    era::Outgoing,
    mcp::UpstreamFault,
    seal,
    upstream::{
        begin::Extent,
        mux::Mux,
        peer::{Link, Peer},
        settings::PingSettings,
        wire::stdio::Child,
    },
};

use super::{core::Group, key::Owner};

/// A child that lived so long before it ended is no part of a loop of crashes.
const LIVED: Duration = Duration::from_secs(60);
/// A group that was used within this time is about to be used again: its child is replaced before it goes.
const IN_USE: Duration = Duration::from_secs(60);
/// Before another successor is tried for a child that is to be replaced.
const NEXT_TRY: Duration = Duration::from_secs(5);
/// How often it is looked whether the last task of a child is over.
const TASKS_ROUND: Duration = Duration::from_secs(1);

impl Group {
    /// Looks after a child from now on, for as long as it lives.
    pub(super) fn attend(self: &Arc<Self>, peer: &Arc<Peer>) {
        let Link::Stdio(mux, child) = &peer.link else { return };
        let settings = self.upstream.settings();
        let (group, weak) = (Arc::downgrade(self), Arc::downgrade(peer));
        peer.spawn(until_it_ends(group.clone(), weak.clone(), mux.clone(), child.clone(), settings.ping.clone()));
        if let Some(lifetime) = settings.pool.max_lifetime {
            // Those that were started together are not replaced together.
            let left = seal::jittered(lifetime).saturating_sub(clock::now().saturating_duration_since(peer.started));
            peer.spawn(async move {
                sleep(left).await;
                if let (Some(group), Some(peer)) = (group.upgrade(), weak.upgrade()) {
                    group.replace_soon(peer);
                }
            });
        }
    }

    /// A child ended that nobody ended.
    fn lost(self: &Arc<Self>, peer: &Peer, child: &Child, fault: UpstreamFault) {
        let server = &**self.server();
        let words = child.last_words();
        let lived = clock::now().saturating_duration_since(peer.started);
        tracing::warn!(server, %fault, ?lived, stderr = words, "child is lost");
        self.upstream.metrics().losses().inc();
        if peer.has_answered() || lived >= LIVED {
            self.record.note(fault);
        } else {
            let consequence = self.record.failed(fault);
            let extent = if self.key.owner == Owner::Everybody { Extent::Server } else { Extent::OneKey };
            self.upstream.suffer(consequence, fault, extent);
        }
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).retain(|peer| peer.is_alive());
        // Whoever waits for it looks for another one.
        self.released.notify_waiters();
        self.keep_least();
    }

    /// Replaces a peer in the background.
    pub(in crate::upstream) fn replace_soon(self: &Arc<Self>, peer: Arc<Peer>) {
        let group = self.clone();
        self.spawn(async move { group.replace(&peer).await });
    }

    /// Ends a peer that takes no more calls, after another one stands in its place where calls come: no call is refused for it, and those
    /// that it has are finished.
    async fn replace(self: &Arc<Self>, old: &Arc<Peer>) {
        if !old.is_to_be_replaced_now() {
            return;
        }
        let mut successor = None;
        while old.is_alive() && self.is_in_use() {
            match self.start_successor().await {
                Ok(peer) => {
                    successor = Some(peer);
                    break;
                }
                Err(_) => sleep(NEXT_TRY).await,
            }
        }
        old.retire();
        old.vacated().await;
        while self.may_have_tasks() && old.is_alive() {
            sleep(TASKS_ROUND).await;
        }
        // Nobody else gets it meanwhile.
        let place = old.take_place();
        old.close().await;
        match &successor {
            Some(peer) => self.after_restart(peer),
            None => self.keep_least(),
        }
        // Whoever came meanwhile looks again.
        self.released.notify_waiters();
        if let Some(peer) = successor {
            self.settle(&peer, place).await;
        }
    }

    /// A successor gets the place of the one before it. Where that one ended of its own it is the next that is free: until then the
    /// successor is the one more than there may be.
    async fn settle(&self, successor: &Peer, place: Option<OwnedSemaphorePermit>) {
        if let Some(place) = place {
            return successor.hold(place);
        }
        let Some(own) = successor.take_place() else { return };
        if !self.upstream.is_beyond(&own) {
            return successor.hold(own);
        }
        if let Ok(place) = self.upstream.places.clone().acquire_owned().await {
            successor.hold(place);
        }
        drop(own);
    }

    fn is_in_use(&self) -> bool {
        let is_awaited = self.waiting.load(Ordering::Acquire) > 0 || self.upstream.settings().pool.min > 0;
        is_awaited || self.idle_for().is_none_or(|idle| idle < IN_USE)
    }
}

async fn until_it_ends(group: Weak<Group>, peer: Weak<Peer>, mux: Arc<Mux>, child: Child, ping: PingSettings) {
    let fault = tokio::select! {
        fault = mux.ended() => fault,
        // It reads nothing more, so nothing more is to be had of it.
        () = child.is_deaf() => UpstreamFault::Gone,
        () = hangs(&peer, &mux, &ping) => UpstreamFault::Hung,
    };
    mux.end(fault);
    if let (Some(group), Some(peer)) = (group.upgrade(), peer.upgrade()) {
        if peer.is_closing() {
            group.released.notify_waiters();
        } else {
            group.lost(&peer, &child, fault);
        }
    }
    child.stop().await;
}

/// Ready when a child says nothing although calls wait for it, and nothing to being asked whether it lives.
async fn hangs(peer: &Weak<Peer>, mux: &Mux, ping: &PingSettings) {
    let Some(after) = ping.after else { return std::future::pending().await };
    let mut heard = mux.heard();
    loop {
        sleep(after).await;
        let now = mux.heard();
        if std::mem::replace(&mut heard, now) != now || !mux.is_awaited() {
            continue;
        }
        let Some(peer) = peer.upgrade() else { return std::future::pending().await };
        let is_legacy = peer.greeting.dialect.is_legacy();
        let answered = timeout(ping.timeout, peer.request(|token| question(is_legacy, token), ping.timeout)).await;
        drop(peer);
        if !matches!(answered, Ok(Ok(_))) && mux.heard() == heard {
            return;
        }
    }
}

/// What every server answers (2025-11-25 basic/utilities/ping; 2026-07-28 server/discover).
fn question(is_legacy: bool, token: u64) -> Outgoing {
    if is_legacy { crate::era::legacy::back::ping() } else { crate::upstream::opening::probe_request(token) }
}
