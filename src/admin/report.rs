//! What operators are told of servers: the JSON of `/api/servers` and `/api/restart`, and the lines of `/api/logs`.

use serde::Serialize;

/// How one server is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerReport {
    /// The operator's name for it.
    pub name: String,
    /// What it is doing: a word of `myelin_upstream_state`.
    pub state: &'static str,
    /// `modern` or `legacy`, once it was reached.
    pub era: Option<&'static str>,
    /// `stdio` or `http`.
    pub wire: &'static str,
    /// The command, or scheme and host: never arguments or paths, which may hold secrets.
    pub target: String,
    /// Whether its children run in a sandbox.
    pub sandboxed: bool,
    /// Its live connections.
    pub connections: Vec<ConnectionReport>,
    /// The places that it is reached at over HTTP.
    pub replicas: Vec<ReplicaReport>,
    /// Whether it is called over HTTP: `closed`, `open` or `half_open`.
    pub breaker: Option<&'static str>,
    /// Children that were started ahead and are nobody's yet.
    pub spares: usize,
    /// Children that ended without being told to.
    pub losses: u64,
    /// For how many seconds it, or somebody's part of it, has been left alone because it failed too often.
    pub parked: Option<u64>,
    /// Calls in flight on all of them.
    pub in_flight: usize,
    /// Calls that wait for one.
    pub queued: usize,
    /// How often it was started again after it had died.
    pub restarts: u64,
    /// Tools and other things that are withheld.
    pub withheld: usize,
    /// How many seconds ago the list was read that was not read for the longest time.
    pub lists_age: Option<u64>,
    /// What went wrong last, until it works again.
    pub last_error: Option<ErrorReport>,
}

/// A child, a session, or an address that is called.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionReport {
    /// The child's process.
    pub pid: Option<i32>,
    /// For how many seconds.
    pub age: u64,
    /// Calls in flight on it.
    pub in_flight: usize,
    /// Who shares it: `everybody`, `a principal` or `a session`.
    pub shared_by: &'static str,
    /// Whether it finishes its calls and takes no more.
    pub finishing: bool,
}

/// One place that a server is reached at.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaReport {
    /// Host and port.
    pub address: String,
    /// `healthy`, `unhealthy`, `ejected` or `leaving`.
    pub condition: &'static str,
    /// Requests and streams in flight.
    pub in_flight: usize,
    /// Failures in a row.
    pub failures: usize,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReport {
    /// What, in a sentence without secrets that begins with what the server did.
    pub error: String,
    /// How many seconds ago.
    pub age: u64,
}

/// What a restart did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestartReport {
    /// Which server.
    pub server: String,
    /// Children and connections that are replaced.
    pub replaced: usize,
    /// Those of them that still finish calls.
    pub finishing: usize,
    /// Whether it came back; nothing where it waits for a call (`start: lazy`, or a credential of each caller).
    pub started: Option<Started>,
}

/// Whether a server came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Started {
    /// It answers in this era.
    Era(&'static str),
    /// It does not, and why, in a sentence without secrets.
    Error(String),
}

/// There is no such server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoServer {
    /// One whose name is like it.
    pub near: Option<String>,
}
