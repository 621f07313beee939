//! The form of a line, for writing and for reading.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use crate::mcp::Identity;

/// What a line tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the file, described in docs/audit.md")]
pub struct Line<'a> {
    pub time: Cow<'a, str>,
    pub seq: u64,
    pub event: Event,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Who<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_info: Option<Cow<'a, RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub era: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_name: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments_sha256: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Cow<'a, RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub detail: Map<String, Value>,
    pub prev: Cow<'a, str>,
    /// Absent while the line is made: it is of what stands before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Cow<'a, str>>,
}

/// Who called.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the file, described in docs/audit.md")]
pub struct Who<'a> {
    pub id: Cow<'a, str>,
    pub kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub groups: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub scopes: Cow<'a, [String]>,
}

impl<'a> Line<'a> {
    /// A line that tells only what happened and when; number and chain come when it is sealed.
    pub(super) fn new(event: Event, time: &'a str) -> Self {
        Self {
            time: time.into(),
            seq: 0,
            event,
            principal: None,
            session: None,
            client_info: None,
            address: None,
            endpoint: None,
            era: None,
            method: None,
            server: None,
            target: None,
            own_name: None,
            arguments_sha256: None,
            arguments: None,
            decision: None,
            rule: None,
            outcome: None,
            status: None,
            gateway_us: None,
            upstream_us: None,
            trace_id: None,
            detail: Map::new(),
            prev: "".into(),
            hash: None,
        }
    }
}

impl<'a> Who<'a> {
    /// Of an identity; its claims are nobody's business here.
    pub(super) fn of(identity: &'a Identity) -> Self {
        Self {
            id: (&*identity.id).into(),
            kind: identity.kind.name().into(),
            issuer: identity.issuer.as_deref().map(Cow::from),
            client: identity.client.as_deref().map(Cow::from),
            groups: identity.groups.as_slice().into(),
            scopes: identity.scopes.as_slice().into(),
        }
    }
}

#[expect(clippy::ptr_arg, reason = "serde passes the member as it is")]
fn is_empty(list: &Cow<'_, [String]>) -> bool {
    list.is_empty()
}
