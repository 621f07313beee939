//! The metrics of one upstream server. Their series exist as long as somebody holds a handle.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use prometheus_client::{
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{
    Count,
    handle::ServerLabel,
    held::{Held, HeldFamilies},
    remote::{Remote, RemoteFamilies},
    server_label::{Buckets, ListLabel, SourceLabel, StateLabel},
};
use crate::telemetry::label::{
    BreakerState, Label, List, ListSource, Overlong, ReplicaCondition, Success, Thing, UpstreamState,
};

/// The metrics of one server, shared by whoever works for it.
#[derive(Clone)]
pub struct ServerMetrics(Arc<Resolved>);

impl ServerMetrics {
    /// How long it took to answer a call.
    pub fn answered(&self, after: Duration) {
        self.0.time.observe(after.as_secs_f64());
    }

    /// A result of it was too large.
    pub fn overlong(&self, outcome: Overlong) {
        self.0.held.overlong(outcome);
    }

    /// What it is doing now.
    pub fn state(&self, now: UpstreamState) {
        for (state, gauge) in UpstreamState::ALL.iter().zip(&self.0.states) {
            gauge.set(i64::from(*state == now));
        }
    }

    /// A list was served.
    pub fn list(&self, from: ListSource) {
        if let Some(counter) = self.0.lists.get(from.index()) {
            counter.inc();
        }
    }

    /// A list of it was read at this time since 1970.
    pub fn list_read(&self, list: List, at: Duration) {
        if let Some(gauge) = self.0.lists_read.get(list.index()) {
            gauge.set(at.as_secs().try_into().unwrap_or(i64::MAX));
        }
    }

    /// When the list that was not read for the longest time was read, since 1970.
    pub fn lists_read_at(&self) -> Option<Duration> {
        let read = self.0.lists_read.iter().filter_map(|gauge| u64::try_from(gauge.get()).ok());
        read.filter(|at| *at > 0).min().map(Duration::from_secs)
    }

    /// Its child processes or sessions that run.
    pub fn children(&self) -> &Gauge {
        &self.0.children
    }

    /// Calls that wait for it.
    pub fn queued(&self) -> &Gauge {
        &self.0.held.queued
    }

    /// How many of its things of this kind are withheld because of what they are.
    pub fn withheld(&self, thing: Thing, count: usize) {
        self.0.held.withheld(thing, count);
    }

    /// Groups of callers that share its peers.
    pub fn groups(&self) -> &Gauge {
        &self.0.held.groups
    }

    /// Messages on their way to it that nobody waits for.
    pub fn messages_aside(&self) -> &Gauge {
        &self.0.held.messages_aside
    }

    /// Lines that its children wrote to stderr.
    pub fn stderr_lines(&self) -> &Count {
        &self.0.held.stderr_lines
    }

    /// How often it was started again after it had failed.
    pub fn restarts(&self) -> &Count {
        &self.0.restarts
    }

    /// Children that ended without being told to.
    pub fn losses(&self) -> &Count {
        &self.0.losses
    }

    /// Its keys that are left alone because they failed too often; it itself is one of them.
    pub fn parked(&self) -> &Gauge {
        &self.0.parked
    }

    /// Its children that were started ahead.
    pub fn spares(&self) -> &Gauge {
        &self.0.spares
    }

    /// Calls that were made again.
    pub fn retries(&self) -> &Count {
        &self.0.retries
    }

    /// Calls that were not made again because too many were.
    pub fn retries_refused(&self) -> &Count {
        &self.0.retries_refused
    }

    /// Notices of it that were dropped because a client read too slowly.
    pub fn dropped_notices(&self) -> &Count {
        &self.0.held.dropped_notices
    }

    /// How its replicas are.
    pub fn replicas(&self, conditions: impl Iterator<Item = ReplicaCondition>) {
        self.0.remote.replicas(conditions);
    }

    /// Connections to it that are in use.
    pub fn connections(&self, in_use: usize) {
        self.0.remote.connections.set(in_use.try_into().unwrap_or(i64::MAX));
    }

    /// Replicas that were left out because calls to them failed.
    pub fn ejections(&self) -> &Count {
        &self.0.remote.ejections
    }

    /// A replica was looked at.
    pub fn looked(&self, result: Success) {
        self.0.remote.looked(result);
    }

    /// Whether it is called from now on.
    pub fn breaker(&self, now: BreakerState) {
        self.0.remote.breaker(now);
    }

    /// Principals with whose own credential calls to it fail.
    pub fn troubled(&self) -> &Gauge {
        &self.0.remote.troubled
    }

    /// Calls that were refused because it is left alone.
    pub fn left_alone(&self) -> &Count {
        &self.0.remote.left_alone
    }

    /// Sessions that were opened anew.
    pub fn renewals(&self) -> &Count {
        &self.0.remote.renewals
    }
}

impl fmt::Debug for ServerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerMetrics").field(&self.0.name).finish()
    }
}

/// The metrics of all servers.
#[derive(Clone, Debug)]
pub(super) struct Servers {
    families: Families,
    resolved: Arc<Mutex<HashMap<Arc<str>, Weak<Resolved>>>>,
}

impl Servers {
    pub(super) fn register<const N: usize>(registry: &mut Registry, time_buckets: [f64; N]) -> Self {
        Self { families: Families::register(registry, time_buckets.to_vec().into()), resolved: Arc::default() }
    }

    pub(super) fn of(&self, name: &str) -> ServerMetrics {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = resolved.get(name).and_then(Weak::upgrade) {
            return ServerMetrics(known);
        }
        let fresh = Arc::new(self.resolve(name.into()));
        resolved.insert(fresh.name.clone(), Arc::downgrade(&fresh));
        ServerMetrics(fresh)
    }

    fn resolve(&self, name: Arc<str>) -> Resolved {
        let (families, one) = (&self.families, ServerLabel(name.clone()));
        Resolved {
            time: families.time.get_or_create_owned(&one),
            children: families.children.get_or_create_owned(&one),
            restarts: families.restarts.get_or_create_owned(&one),
            losses: families.losses.get_or_create_owned(&one),
            parked: families.parked.get_or_create_owned(&one),
            spares: families.spares.get_or_create_owned(&one),
            retries: families.retries.get_or_create_owned(&one),
            retries_refused: families.retries_refused.get_or_create_owned(&one),
            held: families.held.resolve(&one),
            lists_read: List::ALL
                .iter()
                .map(|list| families.lists_read.get_or_create_owned(&(one.clone(), ListLabel(*list))))
                .collect(),
            states: UpstreamState::ALL
                .iter()
                .map(|state| families.states.get_or_create_owned(&(one.clone(), StateLabel(*state))))
                .collect(),
            lists: ListSource::ALL
                .iter()
                .map(|source| families.lists.get_or_create_owned(&(one.clone(), SourceLabel(*source))))
                .collect(),
            remote: families.remote.resolve(&one),
            all: self.clone(),
            name,
        }
    }

    /// Drops the series of a server that nobody works for any more.
    fn forget(&self, name: &Arc<str>) {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        // A reload may already have made a new one under the same name, which goes on with the same series.
        if resolved.get(name).is_some_and(|newest| newest.strong_count() > 0) {
            return;
        }
        resolved.remove(name);
        self.families.remove(name);
    }
}

/// The handles of one server.
struct Resolved {
    name: Arc<str>,
    time: Histogram,
    children: Gauge,
    restarts: Count,
    losses: Count,
    parked: Gauge,
    spares: Gauge,
    retries: Count,
    retries_refused: Count,
    held: Held,
    lists_read: Vec<Gauge>,
    states: Vec<Gauge>,
    lists: Vec<Count>,
    remote: Remote,
    all: Servers,
}

impl Drop for Resolved {
    fn drop(&mut self) {
        self.all.forget(&self.name);
    }
}

type Histograms = Family<ServerLabel, Histogram, Buckets>;

#[derive(Clone, Debug)]
struct Families {
    time: Histograms,
    children: Family<ServerLabel, Gauge>,
    restarts: Family<ServerLabel, Count>,
    losses: Family<ServerLabel, Count>,
    parked: Family<ServerLabel, Gauge>,
    spares: Family<ServerLabel, Gauge>,
    retries: Family<ServerLabel, Count>,
    retries_refused: Family<ServerLabel, Count>,
    held: HeldFamilies,
    lists_read: Family<(ServerLabel, ListLabel), Gauge>,
    states: Family<(ServerLabel, StateLabel), Gauge>,
    lists: Family<(ServerLabel, SourceLabel), Count>,
    remote: RemoteFamilies,
}

impl Families {
    fn register(registry: &mut Registry, time_buckets: Arc<[f64]>) -> Self {
        let families = Self {
            time: Family::new_with_constructor(Buckets(time_buckets)),
            children: Family::default(),
            restarts: Family::default(),
            losses: Family::default(),
            parked: Family::default(),
            spares: Family::default(),
            retries: Family::default(),
            retries_refused: Family::default(),
            held: HeldFamilies::register(registry),
            lists_read: Family::default(),
            states: Family::default(),
            lists: Family::default(),
            remote: RemoteFamilies::register(registry),
        };
        families.clone().declare(registry);
        families
    }

    fn declare(self, r: &mut Registry) {
        let read_at = Unit::Other("timestamp_seconds".to_owned());
        r.register_with_unit("upstream_time", "How long a server took to answer a call", Unit::Seconds, self.time);
        r.register("upstream_children", "Child processes or sessions of a server that run", self.children);
        r.register("upstream_restarts", "Starts of a server after it had failed", self.restarts);
        r.register("upstream_losses", "Children of a server that ended without being told to", self.losses);
        r.register("upstream_parked", "Keys of a server that are left alone: they failed too often", self.parked);
        r.register("upstream_spares", "Children of a server that were started ahead", self.spares);
        r.register("upstream_retries", "Calls of a server that were made again", self.retries);
        r.register("upstream_retries_refused", "Calls not made again since too many were", self.retries_refused);
        r.register_with_unit(
            "upstream_catalog_read",
            "When each list of a server was read last",
            read_at,
            self.lists_read,
        );
        r.register("upstream_state", "What a server is doing: 1 for the state it is in", self.states);
        r.register("upstream_lists", "Lists served, by where they came from", self.lists);
    }

    fn remove(&self, name: &Arc<str>) {
        let one = ServerLabel(name.clone());
        self.time.remove(&one);
        self.children.remove(&one);
        self.restarts.remove(&one);
        self.losses.remove(&one);
        self.parked.remove(&one);
        self.spares.remove(&one);
        self.retries.remove(&one);
        self.retries_refused.remove(&one);
        self.held.remove(&one);
        for state in UpstreamState::ALL {
            self.states.remove(&(one.clone(), StateLabel(*state)));
        }
        for list in List::ALL {
            self.lists_read.remove(&(one.clone(), ListLabel(*list)));
        }
        for source in ListSource::ALL {
            self.lists.remove(&(one.clone(), SourceLabel(*source)));
        }
        self.remote.remove(name);
    }
}
