//! Listening for the server's changes: each listener's wishes are counted, and the server hears each once.

use std::sync::{Arc, PoisonError, Weak, atomic::Ordering};

use tokio::{
    sync::{broadcast, watch},
    time::timeout,
};

use crate::{
    era::legacy,
    mcp::{Caller, Fault, Filter, ListKind, Notice},
    upstream::{errand::Greeting, peer::Peer, wishes::Wishes},
};

use super::core::{Group, SUBSCRIBE_PATIENCE};

impl Group {
    /// Listens for changes. Ready when changes from now on are heard. A server that sleeps is not woken for its lists: nothing changes in
    /// its sleep.
    ///
    /// # Errors
    /// The fault of reaching the server.
    pub async fn listen(self: &Arc<Self>, filter: &Filter) -> Result<Listening, Fault> {
        let is_asleep = filter.uris.is_empty() && self.sleeps();
        let greeting = if is_asleep { self.greeting_now() } else { Some(self.met().await?) };
        let has = |kind| greeting.as_ref().is_none_or(|greeting| greeting.offer.lists(kind));
        let mut listening = Listening::new(self.clone());
        listening.granted = Filter {
            // Also of a server that announces nothing: that a list is another one is found when it is read anew.
            tools: filter.tools && has(ListKind::Tools),
            prompts: filter.prompts && has(ListKind::Prompts),
            resources: filter.resources && has(ListKind::Resources),
            uris: Vec::new(),
            // Each listener follows its tasks on its own, in `group::tasks`.
            task_ids: Vec::new(),
        };
        let Some(greeting) = greeting.filter(|_| !is_asleep) else { return Ok(listening) };
        let _ = timeout(SUBSCRIBE_PATIENCE, self.hears(&greeting)).await;
        if greeting.offer.subscribe {
            for uri in &filter.uris {
                if self.subscribe(uri, &greeting).await {
                    listening.granted.uris.push(uri.clone());
                }
            }
        }
        Ok(listening)
    }

    /// What the server said as it runs; it is started for that if it does not.
    async fn met(self: &Arc<Self>) -> Result<Arc<Greeting>, Fault> {
        if self.greeting.load().is_none() || self.sleeps() {
            drop(self.lease().await?);
        }
        self.greeting.load_full().ok_or(Fault::Internal)
    }

    async fn hears(self: &Arc<Self>, greeting: &Greeting) {
        if greeting.dialect.is_legacy() {
            let peer = self.first_peer();
            if let Some(peer) = peer {
                peer.hears().await;
            }
        } else {
            self.wishes.answered().await;
        }
    }

    fn first_peer(&self) -> Option<Arc<Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    /// Counts a wish for a resource; the first one goes to the server. Whether it stands.
    async fn subscribe(self: &Arc<Self>, uri: &str, greeting: &Greeting) -> bool {
        let since = self.wishes.wish(uri);
        let stands = async {
            if greeting.dialect.is_legacy() { self.tell(uri).await } else { self.wishes.is_granted(uri, since).await }
        };
        let stands = timeout(SUBSCRIBE_PATIENCE, stands).await.unwrap_or(false);
        if !stands {
            self.unsubscribe(uri);
        }
        stands
    }

    /// Tells a legacy server unless it was told.
    async fn tell(self: &Arc<Self>, uri: &str) -> bool {
        let mut told = self.wishes.told.lock().await;
        if told.contains(uri) {
            return true;
        }
        let Ok(lease) = self.lease().await else { return false };
        let subscribed = subscribe_on(&lease.peer, uri).await;
        if subscribed {
            told.insert(uri.to_owned());
        }
        subscribed
    }

    fn unsubscribe(self: &Arc<Self>, uri: &str) {
        if !self.wishes.take_back(uri) {
            return;
        }
        let is_legacy = self.greeting.load().as_ref().is_some_and(|greeting| greeting.dialect.is_legacy());
        if let Some(peer) = self.first_peer().filter(|_| is_legacy) {
            let (uri, weak, wishes) = (uri.to_owned(), Arc::downgrade(&peer), self.wishes.clone());
            peer.spawn(async move {
                if let Some(peer) = Weak::upgrade(&weak) {
                    untell(&peer, &wishes, &uri).await;
                }
            });
        }
    }
}

async fn subscribe_on(peer: &Peer, uri: &str) -> bool {
    matches!(peer.request(|_| legacy::back::subscribe(uri), SUBSCRIBE_PATIENCE).await, Ok(Ok(_)))
}

/// Tells a legacy server that nobody listens any more, unless somebody does by now.
async fn untell(peer: &Peer, wishes: &Wishes, uri: &str) {
    let mut told = wishes.told.lock().await;
    if !wishes.is_wished(uri) && told.remove(uri) {
        let _ = peer.request(|_| legacy::back::unsubscribe(uri), SUBSCRIBE_PATIENCE).await;
    }
}

/// Tells another process what the last one was told.
pub(super) async fn tell_again(peer: &Peer, wishes: &Wishes) {
    let mut told = wishes.told.lock().await;
    told.clear();
    for uri in wishes.uris() {
        if subscribe_on(peer, &uri).await {
            told.insert(uri);
        }
    }
}

/// One listener of a group. Dropping it takes its wishes back.
pub struct Listening {
    group: Arc<Group>,
    notices: broadcast::Receiver<Notice>,
    ended: watch::Receiver<bool>,
    /// What is heard.
    pub granted: Filter,
}

impl Listening {
    fn new(group: Arc<Group>) -> Self {
        group.listeners.fetch_add(1, Ordering::AcqRel);
        let (notices, ended) = (group.bus.subscribe(), group.ended.subscribe());
        Self { group, notices, ended, granted: Filter::default() }
    }

    /// Whether a caller is told what the server says in no words of MCP.
    pub fn tells_unknown(&self, caller: &Caller) -> bool {
        self.group.tells_unknown(caller)
    }

    /// The next notice; `None` when the group ended and another one is to be listened to. A listener that fell behind is told that
    /// everything it listens for changed.
    ///
    /// # Cancel safety
    /// No notice is lost.
    pub async fn next(&mut self) -> Option<Vec<Notice>> {
        loop {
            let heard = tokio::select! {
                heard = self.notices.recv() => heard,
                _ = self.ended.wait_for(|ended| *ended) => return None,
            };
            match heard {
                Ok(notice) if self.wants(&notice) => return Some(vec![notice]),
                Ok(_) => (),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    let kinds = [ListKind::Tools, ListKind::Prompts, ListKind::Resources];
                    return Some(
                        kinds.into_iter().filter(|kind| self.granted.wants(*kind)).map(Notice::Changed).collect(),
                    );
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
            Notice::Log(..) | Notice::Extension(..) | Notice::Elicited(..) | Notice::Task(_) | Notice::Progress(_) => {
                true
            }
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
