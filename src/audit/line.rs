//! The form of a line, for reading. It is written by [`Draft`](super::draft::Draft) and [`Chain`](super::chain::Chain).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

/// What a line tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The gateway started.
    Start,
    /// It stopped in order.
    Stop,
    /// Its configuration was read anew.
    Reload,
    /// A new file begins.
    Rotate,
    /// A call ended.
    Call,
    /// A request was refused before it was a call.
    Refused,
    /// Lines are missing here.
    Lost,
    /// The end of the file before was no whole line: the writer was interrupted.
    Torn,
    /// Somebody changed something through the admin listener.
    Admin,
    /// A tool is not the one that was approved.
    Pin,
}

/// One line. Which members it has depends on the event; all of them are in docs/audit.md.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the file, described in docs/audit.md")]
pub struct Line<'a> {
    pub time: Cow<'a, str>,
    pub event: Event,
    pub principal: Option<Who<'a>>,
    pub session: Option<Cow<'a, str>>,
    pub client_info: Option<Cow<'a, RawValue>>,
    pub address: Option<Cow<'a, str>>,
    pub endpoint: Option<Cow<'a, str>>,
    pub era: Option<Cow<'a, str>>,
    pub method: Option<Cow<'a, str>>,
    pub server: Option<Cow<'a, str>>,
    pub target: Option<Cow<'a, str>>,
    pub own_name: Option<Cow<'a, str>>,
    pub annotations: Option<Cow<'a, RawValue>>,
    pub arguments_sha256: Option<Cow<'a, str>>,
    pub arguments: Option<Cow<'a, RawValue>>,
    pub decision: Option<Cow<'a, str>>,
    pub rule: Option<Cow<'a, str>>,
    pub outcome: Option<Cow<'a, str>>,
    pub status: Option<u16>,
    pub gateway_us: Option<u64>,
    pub upstream_us: Option<u64>,
    pub trace_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub detail: Map<String, Value>,
    pub seq: u64,
    pub prev: Cow<'a, str>,
    pub hash: Cow<'a, str>,
}

/// Who called.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the file, described in docs/audit.md")]
pub struct Who<'a> {
    pub id: Cow<'a, str>,
    pub kind: Cow<'a, str>,
    pub issuer: Option<Cow<'a, str>>,
    pub client: Option<Cow<'a, str>>,
    #[serde(default)]
    pub groups: Cow<'a, [String]>,
    #[serde(default)]
    pub scopes: Cow<'a, [String]>,
    pub claims: Option<Cow<'a, Map<String, Value>>>,
}

impl Event {
    /// The word in the file.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reload => "reload",
            Self::Rotate => "rotate",
            Self::Call => "call",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Torn => "torn",
            Self::Admin => "admin",
            Self::Pin => "pin",
        }
    }
}
