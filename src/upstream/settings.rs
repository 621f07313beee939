//! What an operator may say about one upstream server: the validated form that `config` builds and the pool obeys.
//!
//! Equality is meaningful: a reload keeps an upstream running exactly when its settings are equal to the old ones.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr, time::Duration};

use ::http::Uri;

use crate::{
    guard::sandbox::Sandbox,
    network::{Network, NetworkFault},
    pin,
    redact::Redacted,
    upstream::credential::settings::CredentialSettings,
};

mod http;

pub use self::http::{
    BreakerSettings, EjectionSettings, HealthSettings, HttpSettings, HttpTransport, IdentitySettings, Watched,
};

/// One upstream server.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// The operator's name for it: the prefix of its tools, `[A-Za-z0-9_-]{1,40}` without `__`.
    pub name: String,
    /// How it is reached.
    pub wire: WireSettings,
    /// How requests to it are authorised, beside its configured headers.
    pub credential: CredentialSettings,
    /// When it is started, or reached first.
    pub start: Start,
    /// Which era to assume; [`EraHint::Probe`] asks the server.
    pub era: EraHint,
    /// Who shares a session or a child process.
    pub pool: PoolSettings,
    /// How it is started again when it failed.
    pub restart: RestartSettings,
    /// Whether a child lives that says nothing.
    pub ping: PingSettings,
    /// Which calls are made again that failed.
    pub retry: RetrySettings,
    /// Which of its tools are offered, and under which name.
    pub tools: ToolSettings,
    /// The longest silence of a call: progress starts it anew.
    pub timeout: Duration,
    /// The longest a call may take, progress or not.
    pub total_timeout: Duration,
    /// How long a probe may stay unanswered before a stdio server counts as legacy.
    pub probe_timeout: Duration,
    /// How long start and handshake may take.
    pub start_timeout: Duration,
    /// The largest message accepted from it, in bytes.
    pub max_message_bytes: usize,
    /// The largest arguments of a call that are passed on to it, in bytes.
    pub max_arguments_bytes: usize,
    /// The largest result of a call that is passed back, in bytes.
    pub max_result_bytes: usize,
    /// What is done with a larger result of a tool.
    pub overlong: Overlong,
    /// The largest entry of a tool that is offered, in bytes: name, description, schemas and all.
    pub max_entry_bytes: usize,
    /// What is done about tools that are not what was approved.
    pub pin: pin::Mode,
    /// When a server that fails is left alone; for HTTP.
    pub breaker: BreakerSettings,
}

impl UpstreamSettings {
    /// The same at another address. What a credential says of the old one because nothing else was given, it says of the new one;
    /// a certificate is shown over TLS only.
    #[must_use]
    pub fn at(mut self, url: &Uri) -> Self {
        if let WireSettings::Http(http) = &mut self.wire {
            self.credential = self.credential.moved(&http.url, url);
            http.url = url.clone();
            http.identity = http.identity.take().filter(|_| url.scheme_str() == Some("https"));
        }
        self
    }

    /// The authority that is trusted instead of the machine's.
    pub fn ca(&self) -> Option<PathBuf> {
        match &self.wire {
            WireSettings::Http(http) => http.ca.clone(),
            WireSettings::Stdio(_) => None,
        }
    }
}

/// How an upstream is reached.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one for each server, moved when a configuration is read")]
pub enum WireSettings {
    /// A child process, one JSON-RPC message a line.
    Stdio(StdioSettings),
    /// Streamable HTTP, or HTTP+SSE (2024-11-05).
    Http(HttpSettings),
}

/// A child process.
#[derive(Clone, Debug, PartialEq)]
pub struct StdioSettings {
    /// The program: a path, or a name looked up in `PATH`.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables added to the small inherited set (`PATH`, `HOME`, `LANG`, …).
    pub env: BTreeMap<String, Redacted<String>>,
    /// Its working directory; the gateway's own when absent.
    pub cwd: Option<PathBuf>,
    /// What it may do at the most; all that the gateway's user may when absent.
    pub sandbox: Option<Box<Sandbox>>,
}

/// Where addresses that a peer's message named may lead, beside public ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressSettings {
    /// Each by itself.
    pub allow: Vec<Allowed>,
}

/// What an address may lead to although it is not public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// A block of addresses, whatever they are called.
    Network(Network),
    /// A host, whatever addresses it has.
    Host(String),
}

/// What has digits and dots, colons or a slash is a block; anything else a host.
impl FromStr for Allowed {
    type Err = NetworkFault;

    fn from_str(text: &str) -> Result<Self, NetworkFault> {
        match text.parse() {
            Ok(network) => Ok(Self::Network(network)),
            Err(NetworkFault::Address) if is_host(text) => Ok(Self::Host(text.to_owned())),
            Err(fault) => Err(fault),
        }
    }
}

/// Labels of letters, digits, hyphens and underscores (RFC 1123 section 2.1), not all of them numbers: that would be a misspelt address.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.split('.').all(is_label) && !text.split('.').all(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What is done with a tool's result that is larger than may be passed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlong {
    /// The call fails.
    Refuse,
    /// Its text is cut; where the rest is too large by itself, the call fails.
    Cut,
}

/// When a server is started, or reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the gateway, so that it is warm for the first call.
    Eager,
    /// With the first call that needs it.
    Lazy,
}

/// How a server is started again when it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartSettings {
    /// The wait after a second failure in a row, more or less; it doubles with each.
    pub wait: Duration,
    /// The longest wait.
    pub max_wait: Duration,
    /// After so many failures it is left alone; never with 0.
    pub failures: usize,
    /// Within this time.
    pub window: Duration,
}

/// How it is found out whether a child lives that says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingSettings {
    /// After this silence while calls wait it is asked; never when `None`.
    pub after: Option<Duration>,
    /// Without an answer for this long it is ended.
    pub timeout: Duration,
}

/// Which calls are made again that failed, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// Which calls.
    pub calls: RetryCalls,
    /// How often one call is made again at the most.
    pub max: usize,
    /// How many calls are made again at the most, of a hundred.
    pub budget_percent: usize,
    /// The pause before the first repetition, more or less; it doubles with each.
    pub wait: Duration,
}

/// Which calls may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCalls {
    /// None.
    Off,
    /// Those that provably did not reach the server.
    Unsent,
    /// Those too that change nothing, or nothing the second time: reads, and tools that say so of themselves (`readOnlyHint`,
    /// `idempotentHint`). What a server says of its tools is believed.
    Safe,
}

/// What is known of an upstream's era beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraHint {
    /// Nothing: ask it.
    Probe,
    /// It speaks 2026-07-28.
    Modern,
    /// It wants `initialize`.
    Legacy,
}

/// Who shares an upstream session or child process, and how many there may be.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSettings {
    /// Who shares.
    pub isolation: Isolation,
    /// Children that are kept for each key while it is used; for what everybody shares, always.
    pub min: usize,
    /// Sessions or children at the most, in all.
    pub max: usize,
    /// Children of one key at the most.
    pub max_per_key: usize,
    /// Children that are started ahead, for whoever comes next.
    pub warm: usize,
    /// Calls in flight on one child at the most.
    pub max_in_flight: usize,
    /// Calls waiting for a child at the most; one more is refused.
    pub max_queue: usize,
    /// How long a call may wait for a child.
    pub queue_timeout: Duration,
    /// A child or session without calls for this long is stopped.
    pub idle_timeout: Duration,
    /// A child is replaced after this time, or a little earlier; never when `None`.
    pub max_lifetime: Option<Duration>,
}

/// Who shares an upstream session or child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Everybody. A legacy stdio child is then started without client capabilities, so that it never asks.
    Shared,
    /// One principal.
    Principal,
    /// One legacy client session; a modern caller, who has none, gets its principal's.
    Session,
}

/// Which tools of a server are offered, and under which names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolSettings {
    /// Glob patterns over the server's own names; empty allows all.
    pub allow: Vec<String>,
    /// Glob patterns that are withheld even when allowed.
    pub deny: Vec<String>,
    /// The server's own name to the offered one (before any prefix).
    pub rename: BTreeMap<String, String>,
}

/// How joined lists are gathered and served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSettings {
    /// How long a list waits for a slow server before it is answered without it.
    pub deadline: Duration,
    /// Entries per page at the most.
    pub page_size: usize,
    /// How long a legacy server's list counts as fresh (a modern server says so itself).
    pub ttl: Duration,
    /// How long a list that is no longer fresh is answered with while it is read anew.
    pub max_stale: Duration,
    /// Entries taken from one server at the most.
    pub max_entries: usize,
    /// What is kept of servers that do not run, in bytes of memory.
    pub max_kept_bytes: usize,
}
