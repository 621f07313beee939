//! Invitations to agree, and what is remembered of each between the pages: bounded in number and in time, each step taken once.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    mcp::Principal,
    seal::{self, KeyRing, Purpose},
    telemetry::{
        label,
        metrics::{InUse, METRICS},
    },
    upstream::credential::fault::CredentialFault,
};

use super::{
    invitation::{Invitation, LIFETIME},
    step::Step,
};

/// Invitations and steps at the most, about 1 KiB each; the oldest go.
const MAX: usize = 10_000;
/// Invitations of one principal at the most.
const MAX_PER_PRINCIPAL: usize = 20;
/// Principals for whom further scopes are remembered, at the most.
const MAX_WISHES: usize = 10_000;

/// Where a caller is sent, and when they have agreed.
pub struct Invited {
    /// The page.
    pub url: Arc<str>,
    /// Names the question.
    pub id: String,
    /// Turns true once.
    pub done: watch::Receiver<bool>,
}

/// All invitations and steps.
pub(in crate::upstream::credential) struct Consents {
    /// What names are sealed with; they are random only where there is none.
    ring: Option<Arc<KeyRing>>,
    invitations: Mutex<Bounded<Arc<Invitation>>>,
    steps: Mutex<Bounded<Step>>,
    /// Scopes that a server wanted besides, by principal and server.
    wishes: Mutex<HashMap<(String, String), BTreeSet<String>>>,
}

/// By name, and in the order of their coming.
struct Bounded<T> {
    found: HashMap<String, (T, InUse)>,
    order: VecDeque<String>,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { found: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Bounded<T> {
    fn insert(&mut self, name: String, value: T) {
        while self.order.len() >= MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.found.remove(&oldest);
            }
        }
        self.order.push_back(name.clone());
        self.found.insert(name, (value, InUse::of(&METRICS.consents)));
    }

    fn remove(&mut self, name: &str) -> Option<T> {
        self.order.retain(|known| known != name);
        self.found.remove(name).map(|(value, _)| value)
    }
}

impl Consents {
    pub(in crate::upstream::credential) fn new(ring: Option<Arc<KeyRing>>) -> Self {
        Self { ring, invitations: Mutex::default(), steps: Mutex::default(), wishes: Mutex::default() }
    }

    /// A name that nobody can guess, by which other gateways find this one.
    fn name(&self) -> Result<String, CredentialFault> {
        let random = seal::random_id().map_err(|_| CredentialFault::Random)?;
        let Some(ring) = &self.ring else { return Ok(random) };
        ring.seal_here(Purpose::Page, random.as_bytes()).map_err(|_| CredentialFault::Random)
    }

    /// The standing invitation of a principal to that server, or another one.
    pub(super) fn invite(
        &self,
        server: &Arc<str>,
        principal: &Principal,
        endpoint: &Arc<str>,
        scopes: BTreeSet<String>,
    ) -> Result<Arc<Invitation>, CredentialFault> {
        let mut invitations = lock(&self.invitations);
        let ended: Vec<String> =
            invitations.found.iter().filter(|(_, (known, _))| !known.stands()).map(|(id, _)| id.clone()).collect();
        for id in ended {
            invitations.remove(&id);
        }
        let theirs =
            || invitations.found.values().map(|(known, _)| known).filter(|known| known.principal == *principal);
        let fits = |known: &&Arc<Invitation>| known.server == *server && known.scopes == scopes;
        // One that ends soon is of no use to somebody who only begins to read.
        let is_fresh = |known: &&Arc<Invitation>| known.stands_for(LIFETIME / 2);
        if let Some(known) = theirs().filter(fits).find(is_fresh) {
            return Ok(known.clone());
        }
        if theirs().count() >= MAX_PER_PRINCIPAL {
            METRICS.refused.of(label::Limit::Consents).inc();
            return Err(CredentialFault::Full);
        }
        let id = self.name()?;
        let invitation = Arc::new(Invitation::new(id, principal, endpoint, server, scopes));
        invitations.insert(invitation.id.clone(), invitation.clone());
        Ok(invitation)
    }

    pub(in crate::upstream::credential) fn find(&self, id: &str) -> Option<Arc<Invitation>> {
        lock(&self.invitations).found.get(id).map(|(known, _)| known).filter(|known| known.stands()).cloned()
    }

    pub(super) fn end(&self, invitation: &Invitation) {
        lock(&self.invitations).remove(&invitation.id);
        invitation.done();
    }

    /// A step is taken: its name comes back once.
    pub(super) fn begin(&self, step: Step) -> Result<String, CredentialFault> {
        let state = self.name()?;
        lock(&self.steps).insert(state.clone(), step);
        Ok(state)
    }

    pub(super) fn take(&self, state: &str) -> Option<Step> {
        lock(&self.steps).remove(state).filter(Step::stands)
    }

    /// A server wants these scopes besides.
    pub(super) fn wish(&self, principal: &str, server: &str, scopes: impl IntoIterator<Item = String>) {
        let mut wishes = lock(&self.wishes);
        if wishes.len() >= MAX_WISHES {
            wishes.clear();
        }
        wishes.entry((principal.to_owned(), server.to_owned())).or_default().extend(scopes);
    }

    pub(super) fn wished(&self, principal: &str, server: &str) -> BTreeSet<String> {
        lock(&self.wishes).get(&(principal.to_owned(), server.to_owned())).cloned().unwrap_or_default()
    }

    pub(super) fn granted(&self, principal: &str, server: &str) {
        lock(&self.wishes).remove(&(principal.to_owned(), server.to_owned()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
