//! Which replicas there are: what the operator named, and where names lead.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use arc_swap::ArcSwap;
use tokio::{sync::MutexGuard, time::timeout};

use super::{
    super::{
        client::Client,
        dial::{Lookup, by_the_system},
        fault::ClientFault,
        origin::Origin,
        tls::{Reload, Tls},
    },
    record::{Record, Ward},
    replica::{Key, Replica},
};
use crate::clock;

/// Replicas of one server at the most: a name that leads to more is a mistake, or somebody's attempt to fill memory.
const MAX_REPLICAS: usize = 256;

/// The replicas of one server.
pub(super) struct Members {
    pub(super) ward: Arc<Ward>,
    origins: Vec<Origin>,
    tls: Option<Arc<Tls>>,
    max_message_bytes: usize,
    lookup: Lookup,
    /// Those that are named now.
    named: ArcSwap<Vec<Arc<Replica>>>,
    /// Those that were, and are still needed.
    leaving: Mutex<Vec<Arc<Replica>>>,
    /// One look-up at a time; and the number of the next replica.
    turn: tokio::sync::Mutex<u64>,
}

impl Members {
    pub(super) fn new(ward: Arc<Ward>, max_message_bytes: usize) -> Result<Self, ClientFault> {
        let origins = ward.settings.urls().map(Origin::parse).collect::<Result<Vec<_>, _>>()?;
        let tls = origins.iter().any(Origin::is_https).then(|| Tls::load(&ward.settings)).transpose()?;
        let members = Self {
            ward,
            origins,
            tls,
            max_message_bytes,
            lookup: by_the_system,
            named: ArcSwap::default(),
            leaving: Mutex::default(),
            turn: tokio::sync::Mutex::new(0),
        };
        let mut next = 0;
        // Those whose names are looked up are there after the first look-up.
        let fixed = members.urls().filter(|(_, origin)| !members.is_looked_up(origin));
        let fixed: Vec<Key> = fixed.map(|(url, origin)| Key { url, address: members.said(origin) }).collect();
        for key in &fixed {
            members.make(*key, u64::MAX)?;
        }
        members.become_these(&fixed.into_iter().collect(), &mut next);
        members.turn.try_lock().map(|mut turn| *turn = next).ok();
        Ok(members)
    }

    #[cfg(test)]
    pub(super) fn looking_up(self, lookup: Lookup) -> Self {
        Self { lookup, ..self }
    }

    pub(super) fn now(&self) -> arc_swap::Guard<Arc<Vec<Arc<Replica>>>> {
        self.named.load()
    }

    pub(super) fn leaving(&self) -> Vec<Arc<Replica>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn urls(&self) -> impl Iterator<Item = (usize, &Origin)> {
        self.origins.iter().enumerate()
    }

    /// Where an address leads of which somebody said so.
    fn said(&self, origin: &Origin) -> Option<SocketAddr> {
        self.ward.settings.address.map(|address| SocketAddr::new(address, origin.port()))
    }

    fn is_looked_up(&self, origin: &Origin) -> bool {
        self.ward.settings.resolve.is_some() && origin.host().parse::<IpAddr>().is_err()
    }

    /// Looks names up, if there are any to look up. One that cannot be looked up leads where it led before.
    ///
    /// # Cancel safety
    /// Dropped, everything stays as it was.
    pub(super) async fn refresh(&self) {
        if !self.origins.iter().any(|origin| self.is_looked_up(origin)) {
            return;
        }
        self.look_up(self.turn.lock().await).await;
    }

    async fn look_up(&self, mut next: MutexGuard<'_, u64>) {
        let mut wanted = BTreeSet::new();
        for (url, origin) in self.urls() {
            if !self.is_looked_up(origin) {
                wanted.insert(Key { url, address: self.said(origin) });
                continue;
            }
            let found = timeout(self.ward.settings.connect_timeout, (self.lookup)(origin.host(), origin.port())).await;
            match found {
                Ok(Ok(addresses)) if !addresses.is_empty() => {
                    wanted.extend(addresses.into_iter().map(|address| Key { url, address: Some(address) }));
                }
                _ => {
                    tracing::warn!(server = &*self.ward.server, host = origin.host(), "a name cannot be looked up");
                    wanted.extend(self.named.load().iter().map(|replica| replica.key).filter(|key| key.url == url));
                }
            }
        }
        if wanted.len() > MAX_REPLICAS {
            tracing::warn!(server = &*self.ward.server, found = wanted.len(), "too many replicas; some are left out");
            while wanted.len() > MAX_REPLICAS {
                wanted.pop_last();
            }
        }
        self.become_these(&wanted, &mut next);
    }

    /// Waits for the first look-up, where nobody did one yet.
    pub(super) async fn first_look(&self) {
        if !self.named.load().is_empty() {
            return;
        }
        let next = self.turn.lock().await;
        if self.named.load().is_empty() {
            self.look_up(next).await;
        }
    }

    fn become_these(&self, wanted: &BTreeSet<Key>, next: &mut u64) {
        let known = self.named.load_full();
        if known.iter().map(|replica| replica.key).collect::<BTreeSet<_>>() == *wanted {
            return;
        }
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let mut named = Vec::with_capacity(wanted.len());
        for key in wanted {
            let again = leaving.iter().position(|replica| replica.key == *key).map(|at| leaving.swap_remove(at));
            let there = known.iter().find(|replica| replica.key == *key).cloned();
            if let Some(replica) = again.or(there) {
                replica.stay();
                named.push(replica);
                continue;
            }
            *next += 1;
            match self.make(*key, *next) {
                Ok(replica) => named.push(Arc::new(replica)),
                Err(fault) => tracing::warn!(server = &*self.ward.server, %fault, "a replica cannot be reached"),
            }
        }
        let until = clock::now() + self.ward.settings.patience.1;
        for replica in known.iter().filter(|replica| !wanted.contains(&replica.key)) {
            replica.leave(until);
            leaving.push(replica.clone());
        }
        drop(leaving);
        if !known.is_empty() {
            tracing::info!(server = &*self.ward.server, replicas = named.len(), "there are other replicas");
        }
        self.ward.retain(&named.iter().map(|replica| replica.record.id).collect::<Vec<_>>());
        self.named.store(Arc::new(named));
    }

    fn make(&self, key: Key, id: u64) -> Result<Replica, ClientFault> {
        let origin = self.origins.get(key.url).ok_or(ClientFault::Host)?.clone();
        let name = match key.address {
            Some(address) => format!("{} ({address})", origin.authority()),
            None => origin.authority().to_owned(),
        };
        let way = (self.tls.clone(), key.address);
        let client = Client::replica(origin, way, &self.ward.settings, self.max_message_bytes)?;
        Ok(Replica::new(key, client, Record::new(id, name.into(), self.ward.clone())))
    }

    /// Lets those go that nobody needs any more.
    pub(super) fn tidy(&self, now: Instant) {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).retain(|replica| !replica.may_go(now));
    }

    /// Looks at the files of TLS, and closes what is at rest when they changed.
    pub(super) fn look_at_files(&self) {
        match self.tls.as_ref().map(|tls| tls.reload_if_changed()) {
            Some(Err(fault)) => {
                tracing::error!(server = &*self.ward.server, %fault, "the new files of `tls` and `ca` are not usable; the old ones stay");
            }
            Some(Ok(Reload::Replaced)) => {
                tracing::info!(server = &*self.ward.server, "new connections use the new files of `tls` and `ca`");
                for replica in self.named.load().iter().chain(&self.leaving()) {
                    replica.client.renew_connections();
                }
            }
            Some(Ok(Reload::Unchanged)) | None => {}
        }
    }
}
