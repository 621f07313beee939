//! Every metric: its name, unit, labels and their bounds. Nothing else in the program declares one.
//!
//! All names begin with `myelin_`. Labels come from the closed sets of [`label`](super::label), but for `server`, whose values are the
//! operator's names for the servers: a server's series are dropped with the last handle to it. The whole is therefore bounded by
//! `ERAS × METHODS × OUTCOMES + servers × 80` series, of which only those that were used appear.
//!
//! Handles are resolved once: counting is an atomic addition and allocates nothing; a histogram takes a lock for a few nanoseconds.
//!
//! Source: OpenMetrics 1.0; prometheus.io/docs/practices/naming.

mod handle;
mod held;
mod remote;
mod server;
mod server_label;

use std::sync::LazyLock;

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry, Unit},
};

use self::server::Servers;
pub use self::{
    handle::{InUse, PerLabel, Requests},
    server::ServerMetrics,
};
use super::label::{Decision, Direction, Hop, Limit, Lookup, Success, Unauthenticated};

/// What the gateway itself may take: 10 µs to 1 s. Its own share of a call is some 50 µs; what is above 10 ms is waiting.
const GATEWAY_BUCKETS_S: [f64; 12] = [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 1e-2, 5e-2, 0.25, 1.0];

/// What a call may wait for a limit: 1 ms (a place that becomes free) to a minute.
const WAIT_BUCKETS_S: [f64; 10] = [1e-3, 5e-3, 2.5e-2, 0.1, 0.25, 1.0, 2.5, 5.0, 10.0, 60.0];

/// What a server may take: 0.5 ms (a local one) to 10 min (a model at work).
const UPSTREAM_BUCKETS_S: [f64; 14] =
    [5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0];

/// The process's metrics.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// Handles to all metrics.
#[derive(Debug)]
pub struct Metrics {
    /// Calls that ended, by era, method group and outcome.
    pub requests: Requests,
    /// Calls that have not ended.
    pub requests_in_flight: Gauge,
    /// What the gateway itself added to each call.
    pub gateway_time: Histogram,
    /// Open connections, those to the admin listener included.
    pub connections: Gauge,
    /// Legacy sessions.
    pub sessions: Gauge,
    /// Open subscription streams.
    pub streams: Gauge,
    /// Events of legacy streams that went before a client read them: it is away, or came back too late.
    pub dropped_events: Counter,
    /// Requests that were sent on to another gateway, by what came of them.
    pub hops: PerLabel<Hop>,
    /// Requests of other gateways that are being answered.
    pub hops_inside: Gauge,
    /// Calls parked while their client answers a question.
    pub parked: Gauge,
    /// Parked calls that were cancelled because their client did not come back.
    pub parked_expired: Counter,
    /// Names that the operator's limits tell apart.
    pub limit_keys: Gauge,
    /// Calls that wait for a limit of the operator's.
    pub limit_waiting: Gauge,
    /// How long they waited, let in or not.
    pub limit_wait: Histogram,
    /// Whether the store of limits is there: 1, or 0 while each gateway goes by its own share, and where there is none.
    pub limit_store: Gauge,
    /// Gateways that share limits, as far as their store tells; the last count while it is away.
    pub limit_gateways: Gauge,
    /// Calls that were counted here because the store of limits was away.
    pub limit_own_share: Counter,
    /// What was refused because of a limit.
    pub refused: PerLabel<Limit>,
    /// What the rules said of calls.
    pub policy_decisions: PerLabel<Decision>,
    /// Rules that failed while they were asked.
    pub policy_failures: Counter,
    /// Decisions that are remembered.
    pub policy_remembered: Gauge,
    /// Requests that did not come in, by reason.
    pub unauthenticated: PerLabel<Unauthenticated>,
    /// Connections to an address that a peer's message named, refused because it was neither public nor allowed.
    pub egress_refused: Counter,
    /// Tokens that are being looked up elsewhere.
    pub lookups_in_flight: Gauge,
    /// Tokens that were looked up elsewhere.
    pub lookups: PerLabel<Lookup>,
    /// Lines of the audit log that were made.
    pub audit_lines: Counter,
    /// Calls and events that have no line of their own in the audit log.
    pub audit_lost: Counter,
    /// Attempts to write the audit log, to confirm or to set it aside that failed.
    pub audit_failures: Counter,
    /// 1 while the audit log cannot be written.
    pub audit_failing: Gauge,
    /// Programs that are being started.
    pub starts: Gauge,
    /// Programs that wait for their turn to start.
    pub starts_waiting: Gauge,
    /// Bytes of bodies exchanged with clients.
    pub bytes: PerLabel<Direction>,
    /// Reloads of the configuration.
    pub config_reloads: PerLabel<Success>,
    /// 1 while the Services of the cluster are followed without trouble; 0 also where none are looked for.
    pub discovery_up: Gauge,
    /// Servers that were found in the cluster.
    pub discovered_servers: Gauge,
    /// Services of the cluster that are no servers, since they say something wrong or there are too many.
    pub discovery_left_out: Gauge,
    /// Lists and watches of the API server that ended.
    pub discovery_requests: PerLabel<Success>,
    /// Tokens for servers that authorization servers were asked for.
    pub server_tokens: PerLabel<Success>,
    /// Connections of users to servers.
    pub user_connections: Gauge,
    /// Invitations and steps of users who are to agree that servers are called in their name.
    pub consents: Gauge,
    /// Tasks whose owner is remembered.
    pub tasks: Gauge,
    /// Joined lists of endpoints.
    pub joined_lists: Gauge,
    /// Different views of them.
    pub list_views: Gauge,
    /// Times that lines of the log did not wait for others because too many did.
    pub log_overflows: Counter,
    /// Servers' lists that are kept, one for each server and reader.
    pub catalogs: Gauge,
    /// Their size in memory.
    pub catalogs_bytes: Gauge,
    /// Files of them that were read or written.
    pub catalog_files: PerLabel<Success>,
    servers: Servers,
    registry: Registry,
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("myelin");
        let r = &mut registry;
        // A gauge and not an OpenMetrics info, so that readers of the older text format take it, too.
        build(r).get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        Self {
            requests: Requests::register(r, "requests", "Calls that ended, by era, method group and outcome"),
            requests_in_flight: plain(r, "requests_in_flight", "Calls that have not ended"),
            gateway_time: seconds(r, "gateway_time", "What the gateway itself added to a call", GATEWAY_BUCKETS_S),
            connections: plain(r, "connections", "Open connections, those to the admin listener included"),
            sessions: plain(r, "sessions", "Legacy sessions"),
            streams: plain(r, "streams", "Open subscription streams"),
            dropped_events: plain(r, "dropped_events", "Events of legacy streams that went before a client read them"),
            hops: PerLabel::register(r, "hops", "Requests sent on to another gateway", "result", None),
            hops_inside: plain(r, "hops_inside", "Requests of other gateways that are being answered"),
            parked: plain(r, "parked_calls", "Calls parked while their client answers a question"),
            parked_expired: plain(r, "parked_calls_expired", "Parked calls cancelled: their client did not come back"),
            limit_keys: plain(r, "limit_keys", "Names that the limits of the configuration tell apart"),
            limit_waiting: plain(r, "limit_waiting", "Calls that wait for a limit of the configuration"),
            limit_wait: seconds(r, "limit_wait", "How long calls waited for a limit, let in or not", WAIT_BUCKETS_S),
            limit_store: plain(r, "limit_store_up", "1 while the store of limits is there"),
            limit_gateways: plain(r, "limit_gateways", "Gateways that share limits, as far as their store tells"),
            limit_own_share: plain(r, "limit_own_share", "Calls counted here since the store of limits was away"),
            refused: PerLabel::register(r, "refused_by_limit", "What was refused because of a limit", "limit", None),
            policy_decisions: PerLabel::register(
                r,
                "policy_decisions",
                "What the rules said of calls",
                "decision",
                None,
            ),
            policy_failures: plain(r, "policy_failures", "Rules that failed while they were asked"),
            policy_remembered: plain(r, "policy_remembered", "Decisions that are remembered"),
            unauthenticated: PerLabel::register(r, "unauthenticated", "Requests that did not come in", "reason", None),
            egress_refused: plain(r, "egress_refused", "Addresses named by messages that were not connected to"),
            lookups_in_flight: plain(r, "token_lookups_in_flight", "Tokens that are being looked up elsewhere"),
            lookups: PerLabel::register(r, "token_lookups", "Tokens that were looked up elsewhere", "result", None),
            audit_lines: plain(r, "audit_lines", "Lines of the audit log that were made"),
            audit_lost: plain(r, "audit_lost", "Calls and events that have no line of their own in the audit log"),
            audit_failures: plain(r, "audit_failures", "Attempts to write the audit log that failed"),
            audit_failing: plain(r, "audit_failing", "1 while the audit log cannot be written"),
            starts: plain(r, "starts_in_progress", "Programs that are being started"),
            starts_waiting: plain(r, "starts_waiting", "Programs that wait for their turn to start"),
            bytes: PerLabel::register(r, "http", "Bodies exchanged with clients", "direction", Some(Unit::Bytes)),
            config_reloads: PerLabel::register(r, "config_reloads", "Reloads of the configuration", "result", None),
            discovery_up: plain(r, "discovery_up", "1 while services of the cluster are followed without trouble"),
            discovered_servers: plain(r, "discovered_servers", "Servers that were found in the cluster"),
            discovery_left_out: plain(r, "discovery_left_out", "Services of the cluster that are left out"),
            discovery_requests: PerLabel::register(
                r,
                "discovery_requests",
                "Lists and watches of the API server that ended",
                "result",
                None,
            ),
            server_tokens: PerLabel::register(r, "server_tokens", "Tokens for servers asked for", "result", None),
            user_connections: plain(r, "user_connections", "Connections of users to servers"),
            consents: plain(r, "consents_under_way", "Invitations and steps of users who are to agree to be connected"),
            tasks: plain(r, "tasks_remembered", "Tasks whose owner is remembered"),
            joined_lists: plain(r, "joined_lists", "Lists of the servers of an endpoint that were joined"),
            list_views: plain(r, "list_views", "Different views that callers have of joined lists"),
            log_overflows: plain(r, "log_overflows", "Times that a call wrote the log itself as too much waited"),
            catalogs: plain(r, "kept_catalogs", "Servers' lists that are kept, one for each server and reader"),
            catalogs_bytes: plain(r, "kept_catalogs_size_bytes", "Size of the lists that are kept"),
            catalog_files: PerLabel::register(r, "catalog_files", "Files of lists read or written", "result", None),
            servers: Servers::register(r, UPSTREAM_BUCKETS_S),
            registry,
        }
    }

    /// The metrics of one server; they vanish with the last handle.
    pub fn server(&self, name: &str) -> ServerMetrics {
        self.servers.of(name)
    }

    /// All metrics in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut out = String::with_capacity(16 << 10);
        match text::encode(&mut out, &self.registry) {
            Ok(()) => out,
            // Writing to a string does not fail; what ends without `# EOF` is refused by whoever reads it.
            Err(_) => String::new(),
        }
    }
}

fn build(registry: &mut Registry) -> Family<[(&'static str, &'static str); 1], Gauge> {
    plain(registry, "build_info", "The version that runs")
}

fn plain<M: Metric + Default + Clone>(registry: &mut Registry, name: &'static str, help: &'static str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn seconds<const N: usize>(
    registry: &mut Registry,
    name: &'static str,
    help: &'static str,
    buckets: [f64; N],
) -> Histogram {
    let histogram = Histogram::new(buckets);
    registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
    histogram
}

/// What all counters are.
type Count = Counter;

#[cfg(test)]
mod tests;
