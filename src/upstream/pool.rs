//! One upstream server: what is known of it, and its groups of peers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use crate::{
    clock,
    era::Era,
    mcp::{Caller, Fault, Principal, UpstreamFault},
    pin::Lock,
    redact::Redacted,
    telemetry::{
        label::UpstreamState,
        metrics::{METRICS, ServerMetrics},
    },
};

use super::{
    catalog::FetchLimits,
    credential::{Courier, Credential, Wallet, oauth::Oauth},
    doing::Doing,
    group::{Group, GroupKey, NoPlace, Owner, key, make_room},
    library::{Library, identity},
    opening::{Opening, Site, Verdict, open},
    peer::Peer,
    reach::Reach,
    remote::Remote,
    retry::Retries,
    screening::{Screening, screen},
    settings::{ListSettings, UpstreamSettings, WireSettings},
    shared_by::SharedBy,
    starts::Starts,
    tend::Known,
    wire::stdio::Stderr,
};

/// One upstream server.
pub struct Upstream {
    pub(super) name: Arc<str>,
    settings: UpstreamSettings,
    lists: ListSettings,
    pub(super) remote: Option<Remote>,
    pub(super) credential: Arc<Credential>,
    pub(super) verdict: Known,
    /// What it spoke before this process, until it is reached.
    remembered: Option<Verdict>,
    /// Its lists from before.
    pub(super) library: Arc<Library>,
    /// A digest of its settings.
    pub(super) identity: Arc<str>,
    /// A server that was reached to learn its era, until somebody uses it. Held while one is reached.
    pub(super) spare: tokio::sync::Mutex<Option<Spare>>,
    pub(super) stderr: Arc<Stderr>,
    /// Peers that take no more calls and finish those that they have.
    pub(super) retired: Mutex<Vec<(Weak<Peer>, SharedBy)>>,
    places: Arc<Semaphore>,
    pub(super) starts: Arc<Starts>,
    retries: Retries,
    groups: Mutex<HashMap<GroupKey, Arc<Group>>>,
    metrics: ServerMetrics,
    pub(super) doing: Doing,
    screening: Screening,
    pub(super) reach: Reach,
    /// Attempts to reach it that nobody waits for: one at a time.
    pub(super) errands: Mutex<JoinSet<()>>,
}

pub(super) struct Spare(pub(super) Opening, pub(super) Option<OwnedSemaphorePermit>);

impl Upstream {
    /// An upstream; nothing is started or connected yet.
    ///
    /// # Errors
    /// The settings make no HTTP client.
    pub fn new(
        settings: UpstreamSettings,
        lists: ListSettings,
        wallet: &Arc<Wallet>,
        starts: &Arc<Starts>,
        library: &Arc<Library>,
    ) -> Result<Arc<Self>, super::wire::http::ClientFault> {
        let (name, metrics): (Arc<str>, _) = (settings.name.as_str().into(), METRICS.server(&settings.name));
        let remote = match &settings.wire {
            WireSettings::Http(http) => Some(Remote::new(&name, &settings, http, &metrics)?),
            WireSettings::Stdio(_) => None,
        };
        let way = remote.as_ref().map(Remote::replicas);
        let credential = Credential::new(name.clone(), &settings.credential, wallet, (way, settings.ca()));
        let doing = Doing::new(metrics.clone());
        let identity = identity(&settings);
        let retries = Retries::new(settings.retry.clone(), metrics.clone());
        let screening = Screening::new(screen(&settings, None), metrics.clone());
        Ok(Arc::new(Self {
            retries,
            screening,
            reach: Reach::default(),
            errands: Mutex::default(),
            name,
            places: Arc::new(Semaphore::new(settings.pool.max)),
            starts: starts.clone(),
            remembered: library.verdict(&settings.name, &identity),
            library: library.clone(),
            identity,
            settings,
            lists,
            remote,
            credential: Arc::new(credential),
            verdict: Known::default(),
            spare: tokio::sync::Mutex::new(None),
            stderr: Arc::default(),
            retired: Mutex::default(),
            groups: Mutex::default(),
            metrics,
            doing,
        }))
    }

    /// Its name.
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its settings.
    pub const fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    /// Its things are held against this lock from now on. Whoever listens hears that they changed, if it says something else than before.
    pub fn pin(&self, lock: Option<&Lock>) {
        if !self.screening.set(screen(&self.settings, lock)) {
            return;
        }
        for group in self.groups_now() {
            group.sift_again();
        }
    }

    pub(super) const fn screening(&self) -> &Screening {
        &self.screening
    }

    /// How lists are gathered.
    pub const fn lists(&self) -> &ListSettings {
        &self.lists
    }

    /// Which of its calls are made again.
    pub(super) const fn retries(&self) -> &Retries {
        &self.retries
    }

    /// Where what happens to it is counted.
    pub const fn metrics(&self) -> &ServerMetrics {
        &self.metrics
    }

    /// Something was started or connected, or not.
    pub(super) fn started<T>(&self, result: Result<T, UpstreamFault>) -> Result<T, UpstreamFault> {
        self.doing.enter(if result.is_ok() { UpstreamState::Ready } else { UpstreamState::BackingOff });
        result
    }

    /// Nothing of it runs any more. One that failed stays so until it is tried again.
    async fn rest(&self) {
        let is_spare = self.spare.lock().await.is_some();
        let is_ready = self.doing.now() == UpstreamState::Ready;
        if is_ready && !is_spare && self.load().0 == 0 {
            self.doing.enter(UpstreamState::Idle);
        }
    }

    /// Whether it is a program that is started here.
    pub const fn is_stdio(&self) -> bool {
        matches!(self.settings.wire, WireSettings::Stdio(_))
    }

    pub(super) const fn fetch_limits(&self) -> FetchLimits {
        FetchLimits { patience: self.settings.timeout, max_entries: self.lists.max_entries, legacy_ttl: self.lists.ttl }
    }

    /// The era it was found to speak.
    pub fn era(&self) -> Option<Era> {
        self.known().map(Verdict::era)
    }

    fn known(&self) -> Option<Verdict> {
        self.found().or(self.remembered)
    }

    /// What it was found to speak since the gateway started.
    pub(super) fn found(&self) -> Option<Verdict> {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn site<'a>(&'a self, courier: Option<&'a Arc<Courier>>) -> Site<'a> {
        Site { settings: &self.settings, server: &self.name, courier, known: self.found(), stderr: &self.stderr }
    }

    /// A way to it for those who share a group; none to a child.
    pub(super) fn courier(&self) -> Option<Arc<Courier>> {
        self.remote.as_ref().map(|remote| remote.courier(&self.credential))
    }

    /// What users are asked to agree to before it is called in their name, where they are.
    pub fn oauth(&self) -> Option<&Arc<Oauth>> {
        self.credential.oauth()
    }

    /// Whoever had a connection has another one, or none: what was read and opened with it ends.
    pub async fn forget(&self, principal: &str) {
        self.library.forget(&self.name, principal);
        self.close_groups(|key, _| matches!(&key.owner, Owner::Principal(owner) if **owner == *principal)).await;
        // What they read until they ended.
        self.library.forget(&self.name, principal);
    }

    /// What a program is told of a caller with each request, where it is told anything. Over HTTP that is a header's business.
    pub(super) async fn statement(&self, principal: &Principal) -> Result<Option<Redacted<String>>, UpstreamFault> {
        if self.is_stdio() { self.credential.statement(principal).await } else { Ok(None) }
    }

    /// Whether each caller has a credential of its own on it.
    pub fn is_personal(&self) -> bool {
        self.settings.credential.is_personal()
    }

    /// The group of a caller, when the server's era is known.
    pub fn group_now(self: &Arc<Self>, caller: &Caller) -> Option<Arc<Group>> {
        let verdict = self.known()?;
        let key = key(&self.settings, verdict, caller);
        let mut groups = self.lock_groups();
        let group = match groups.get(&key) {
            Some(group) => group.clone(),
            None => {
                make_room(&mut groups);
                let group = Arc::new(self.new_group(key.clone(), &caller.principal));
                groups.insert(key, group.clone());
                group
            }
        };
        drop(groups);
        if self.is_personal() {
            group.act_for(&caller.principal);
        }
        Some(group)
    }

    /// The group of a caller; the server is asked for its era if nobody did.
    ///
    /// # Errors
    /// [`Fault::Broken`] when it cannot be reached.
    pub async fn group(self: &Arc<Self>, caller: &Caller) -> Result<Arc<Group>, Fault> {
        if let Some(group) = self.group_now(caller) {
            return Ok(group);
        }
        self.reach(caller).await?;
        self.group_now(caller).ok_or(Fault::Internal)
    }

    /// Reaches it, unless that was done: its era is known and a process of it is warm when the first call comes.
    ///
    /// # Errors
    /// [`Fault::Broken`] when it cannot be reached.
    pub async fn reach(self: &Arc<Self>, caller: &Caller) -> Result<(), Fault> {
        self.probe(caller).await.map_err(|fault| Fault::Broken(self.name.clone(), fault))
    }

    async fn probe(self: &Arc<Self>, caller: &Caller) -> Result<(), UpstreamFault> {
        let asked = clock::now();
        let mut spare = self.spare.lock().await;
        if self.is_reached() {
            return Ok(());
        }
        // Whoever waited for an attempt that failed has waited long enough: a crowd does not try one after the other. Where each has a
        // credential of their own, what one is told is not for the next one.
        if let Some(fault) = self.reach.failed_since(asked).filter(|_| !self.is_personal()) {
            return Err(fault);
        }
        let attempt = self.reach.begin();
        let place = if self.is_stdio() { self.places.clone().try_acquire_owned().ok() } else { None };
        let courier = self.courier();
        if let (true, Some(courier)) = (self.is_personal(), &courier) {
            courier.act_for(&caller.principal);
        }
        let opening = self.begin(courier.as_ref(), Box::pin(open(&self.site(courier.as_ref())))).await;
        let opening = attempt.ended(opening)?;
        self.learn(opening.verdict);
        // What it said to one principal is not for the next one.
        *spare = (!self.is_personal()).then_some(Spare(opening, place));
        Ok(())
    }

    /// A place for another process; an idle group gives one up if there is none.
    pub(super) async fn place(&self, asking: &Group) -> Result<Option<OwnedSemaphorePermit>, NoPlace> {
        if !self.is_stdio() {
            return Ok(None);
        }
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(Some(place));
        }
        // A process that was started for asking has a place already.
        if self.spare.lock().await.is_some() {
            return Ok(None);
        }
        self.evict_idlest(asking);
        Err(NoPlace)
    }

    fn evict_idlest(&self, asking: &Group) {
        let mut groups = self.lock_groups();
        let idlest = groups
            .iter()
            .filter(|(_, group)| !std::ptr::eq(Arc::as_ptr(group), asking))
            .filter_map(|(key, group)| Some((group.idle_for()?, key.clone())))
            .max_by_key(|(idle, _)| *idle);
        if let Some(group) = idlest.and_then(|(_, key)| groups.remove(&key)) {
            // Its processes stop in the background when the last handle goes.
            drop(group);
        }
    }

    pub(super) fn lock_groups(&self) -> MutexGuard<'_, HashMap<GroupKey, Arc<Group>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A legacy session ended: what was its own ends with it.
    pub async fn end_session(&self, session: &Arc<str>) {
        let owner = Owner::Session(session.clone());
        self.close_groups(|key, _| key.owner == owner).await;
    }

    /// Ends groups that nobody used for long.
    pub async fn reap(&self) {
        let limit = self.settings.pool.idle_timeout;
        let is_idle = |group: &Group| group.idle_for().is_some_and(|idle| idle >= limit) && !group.may_have_tasks();
        self.close_groups(|_, group| is_idle(group)).await;
        self.rest().await;
        if let Some(remote) = &self.remote {
            remote.tidy();
        }
    }

    /// Ends everything. Calls in flight end with it.
    pub async fn close(&self) {
        if let Some(remote) = &self.remote {
            remote.close().await;
        }
        drop(self.spare.lock().await.take());
        self.close_groups(|_, _| true).await;
    }

    async fn close_groups(&self, ends: impl Fn(&GroupKey, &Group) -> bool) {
        let ending: Vec<Arc<Group>> =
            self.lock_groups().extract_if(|key, group| ends(key, group)).map(|(_, group)| group).collect();
        let mut closing = JoinSet::new();
        for group in ending {
            closing.spawn(async move { group.close().await });
        }
        while closing.join_next().await.is_some() {}
    }

    /// Peers that are alive, and calls in flight on them.
    pub fn load(&self) -> (usize, usize) {
        self.lock_groups().values().map(|group| group.load()).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    }
}
