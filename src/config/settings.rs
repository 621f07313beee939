//! The whole configuration, validated: one immutable snapshot, swapped whole on reload.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{
    audit::settings::AuditSettings,
    auth::settings::AuthSettings,
    dialogue::ParkSettings,
    discovery::settings::DiscoverySettings,
    downstream::settings::{HttpSettings, ListenerSettings, SessionSettings},
    hop::HopSettings,
    limit::settings::{LimitSettings, RedisSettings},
    pin::Pins,
    policy::settings::PolicySettings,
    redact::Redacted,
    route::settings::EndpointSettings,
    upstream::settings::{EgressSettings, UpstreamSettings},
};

pub use crate::upstream::settings::ListSettings;

/// Everything the gateway runs by.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where clients connect.
    pub listener: ListenerSettings,
    /// Who may come in.
    pub auth: AuthSettings,
    /// How often, and how much at once.
    pub limits: LimitSettings,
    /// Where gateways count together.
    pub redis: Option<RedisSettings>,
    /// The audit log.
    pub audit: Option<AuditSettings>,
    /// How gateways reach each other; each is alone when absent.
    pub hops: Option<HopSettings>,
    /// Where addresses may lead that a server or issuer names.
    pub egress: EgressSettings,
    /// Who may do what.
    pub policy: PolicySettings,
    /// Where health and metrics are served; nowhere when absent.
    pub admin: Option<SocketAddr>,
    /// What an operator's requests must present there.
    pub admin_token: Option<Redacted<String>>,
    /// Rules of the HTTP side.
    pub http: HttpSettings,
    /// Limits of legacy sessions.
    pub sessions: SessionSettings,
    /// Limits of calls that wait for input.
    pub questions: ParkSettings,
    /// How lists are gathered and served.
    pub lists: ListSettings,
    /// The servers, in file order.
    pub upstreams: Vec<UpstreamSettings>,
    /// Servers that are found.
    pub discovery: Option<DiscoverySettings>,
    /// The endpoints, in file order; `/mcp` over all servers when the file names none.
    pub endpoints: Vec<EndpointSettings>,
    /// Keys that seal session ids, cursors and tokens, newest first; one made at start when empty.
    pub sealing_keys: Vec<Redacted<String>>,
    /// Where connections of users are kept; nowhere when absent.
    pub state_dir: Option<PathBuf>,
    /// Keys that sign what the gateway says of its callers: the first signs, all are published; one made at start when empty.
    pub signing_keys: Vec<Redacted<String>>,
    /// What was approved of the servers' tools.
    pub pins: Pins,
    /// How the log is written.
    pub log: LogSettings,
    /// How long calls in flight may take to finish when the gateway stops.
    pub drain: Duration,
    /// Programs that are started at the same time at the most.
    pub max_starts: usize,
    /// Worker threads; one per core when absent.
    pub threads: Option<usize>,
}

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// For people or for machines.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,myelin::upstream=debug`.
    pub filter: String,
}

/// The log's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Coloured lines on a terminal, plain ones elsewhere.
    Pretty,
    /// One JSON object a line.
    Json,
}
