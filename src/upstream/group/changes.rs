//! Listening for the server's changes: each listener's wishes are counted, and the server hears each once.

use std::sync::{Arc, PoisonError, Weak, atomic::Ordering};

use tokio::{sync::broadcast, time::timeout};

use crate::{
    era::legacy,
    mcp::{Fault, Filter, ListKind, Notice},
    upstream::errand::Greeting,
};

use super::core::{Group, SUBSCRIBE_PATIENCE};

impl Group {
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
            // Each listener follows its tasks on its own, in `group::tasks`.
            task_ids: Vec::new(),
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
            Notice::Log(..) | Notice::Extension(..) | Notice::Task(_) | Notice::Progress(_) => true,
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
