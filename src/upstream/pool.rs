//! One upstream server: what is known of it, and its groups of peers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
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
    group::{Group, GroupKey, Owner, key, make_room},
    library::{Library, identity},
    opening::{Site, Verdict},
    reach::Reach,
    record::Record,
    remote::Remote,
    retry::Retries,
    screening::{Screening, screen},
    settings::{ListSettings, PoolSettings, RestartSettings, UpstreamSettings, WireSettings},
    spares::{Spare, Spares},
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
    /// Held while it is reached to learn its era.
    pub(super) probing: tokio::sync::Mutex<()>,
    pub(super) spares: Mutex<Spares>,
    pub(super) places: Arc<Semaphore>,
    /// One process more, while it takes over from another.
    pub(super) handover: Arc<Semaphore>,
    /// Starts that wait for a place.
    pub(super) wanting: AtomicUsize,
    pub(super) starts: Arc<Starts>,
    /// How starts failed, over all its keys.
    pub(super) record: Record,
    pub(super) stderr: Arc<Stderr>,
    pub(super) is_closed: AtomicBool,
    retries: Retries,
    groups: Mutex<HashMap<GroupKey, Arc<Group>>>,
    metrics: ServerMetrics,
    pub(super) doing: Doing,
    screening: Screening,
    pub(super) reach: Reach,
    /// Attempts to reach it that nobody waits for: one at a time.
    pub(super) errands: Mutex<JoinSet<()>>,
}

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
        let record = Record::new(settings.restart.clone());
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
            probing: tokio::sync::Mutex::default(),
            spares: Mutex::default(),
            handover: Arc::new(Semaphore::new(1)),
            wanting: AtomicUsize::new(0),
            record,
            stderr: Arc::new(Stderr::of_server(metrics.clone())),
            is_closed: AtomicBool::new(false),
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

    /// What it is doing from now on: the newest thing that any of its groups saw.
    pub(super) fn enter(&self, now: UpstreamState) {
        self.doing.enter(now);
    }

    /// What it is doing.
    pub(super) fn state_now(&self) -> UpstreamState {
        self.doing.now()
    }

    /// It may be tried again.
    pub(super) fn is_released(&self) {
        if self.state_now() == UpstreamState::Parked {
            self.enter(UpstreamState::Idle);
        }
    }

    /// Nothing of it runs any more. One that failed stays so until it is tried again.
    fn rest(&self) {
        if self.state_now() == UpstreamState::Ready && self.spares().len() == 0 && self.load().0 == 0 {
            self.enter(UpstreamState::Idle);
        }
    }

    /// A task that ends with it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut errands = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
        while errands.try_join_next().is_some() {}
        errands.spawn(task);
    }

    /// Whether it is a program that is started here.
    pub const fn is_stdio(&self) -> bool {
        matches!(self.settings.wire, WireSettings::Stdio(_))
    }

    /// How often the children of one key may fail: connections are not left alone for that.
    pub(super) fn restart_of_keys(&self) -> RestartSettings {
        let failures = if self.is_stdio() { self.settings.restart.failures } else { 0 };
        RestartSettings { failures, ..self.settings.restart.clone() }
    }

    pub(super) const fn fetch_limits(&self) -> FetchLimits {
        FetchLimits { patience: self.settings.timeout, max_entries: self.lists.max_entries, legacy_ttl: self.lists.ttl }
    }

    /// The era it was found to speak.
    pub fn era(&self) -> Option<Era> {
        self.known().map(Verdict::era)
    }

    pub(super) fn known(&self) -> Option<Verdict> {
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
                make_room(&mut groups, |group| group.idle_for());
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

    pub(super) fn lock_groups(&self) -> MutexGuard<'_, HashMap<GroupKey, Arc<Group>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A legacy session ended: what was its own ends with it.
    pub async fn end_session(&self, session: &Arc<str>) {
        let owner = Owner::Session(session.clone());
        self.close_groups(|key, _| key.owner == owner).await;
    }

    pub(super) fn groups_now(&self) -> Vec<Arc<Group>> {
        self.lock_groups().values().cloned().collect()
    }

    /// Ends groups that nobody used for long, children that are not needed, and what is no spare any more; starts what is missing.
    pub async fn reap(self: &Arc<Self>) {
        let PoolSettings { idle_timeout, min, warm, max_lifetime, .. } = self.settings.pool;
        // What all share is always used by somebody.
        let is_kept = |key: &GroupKey| key.owner == Owner::Everybody && min > 0 && self.is_stdio();
        let is_idle =
            |group: &Group| group.idle_for().is_some_and(|idle| idle >= idle_timeout) && !group.may_have_tasks();
        self.close_groups(|key, group| !is_kept(key) && is_idle(group)).await;
        for group in self.groups_now() {
            group.end_idle(idle_timeout).await;
            group.keep_least();
        }
        drop(self.spares().sort_out(warm, idle_timeout, max_lifetime));
        if self.is_reached() {
            self.stock_up();
        }
        self.count_parked();
        self.rest();
        if let Some(remote) = &self.remote {
            remote.tidy();
        }
    }

    /// Ends everything. Calls in flight end with it.
    pub async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        if let Some(remote) = &self.remote {
            remote.close().await;
        }
        let spares = self.spares().clear();
        let close_all = self.close_groups(|_, _| true);
        let end_spares: JoinSet<()> = spares.into_iter().map(Spare::end).collect();
        tokio::join!(close_all, end_spares.join_all());
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
