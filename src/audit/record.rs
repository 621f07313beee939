//! What lines tell of, and the lines of it.

use std::{net::IpAddr, time::Duration};

use serde_json::{Map, Value};

use super::{arguments::Arguments, chain::sha256, draft::Draft, line::Event, settings::Claims};
use crate::{
    jsonrpc::Raw,
    mcp::{Caller, Principal, Trace, TraceContext},
    telemetry::write_time,
};

/// What a client calls itself is not kept when it is larger, in bytes.
const MAX_CLIENT_INFO: usize = 1024;
/// Nor are a tool's annotations.
const MAX_ANNOTATIONS: usize = 1024;
/// Of a path that somebody made up, so many characters are kept.
const MAX_PATH: usize = 256;

/// A call that ended.
pub(super) struct CallRecord<'a> {
    pub(super) time: Duration,
    pub(super) caller: &'a Caller,
    pub(super) endpoint: &'a str,
    pub(super) era: &'static str,
    pub(super) method: &'a str,
    pub(super) target: Option<&'a str>,
    /// Its arguments, or what stands for them.
    pub(super) given: Option<Raw>,
    pub(super) trace: &'a Trace,
    pub(super) ended: Ended,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// In the words of the metrics.
    pub outcome: &'static str,
    /// The HTTP status; 0 where nobody was there to be told.
    pub status: u16,
    /// What the gateway itself took.
    pub gateway: Duration,
    /// What the server took.
    pub upstream: Duration,
}

/// A request that was refused before it was a call.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// When, since 1970.
    pub time: Duration,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// The path that it asked for.
    pub path: String,
    /// The HTTP method, or that of the notification.
    pub method: String,
    /// The HTTP status.
    pub status: u16,
    /// Who sent it, where that was established.
    pub principal: Option<Principal>,
}

/// Something else that happened.
#[derive(Clone, Debug)]
pub struct Note {
    /// When, since 1970.
    pub time: Duration,
    /// What.
    pub event: Event,
    /// Who did it, if somebody did.
    pub principal: Option<Principal>,
    /// What there is to say about it. Nothing secret.
    pub detail: Map<String, Value>,
}

impl Note {
    /// Something that nobody did.
    pub fn new(event: Event, time: Duration, detail: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let detail = detail.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { time, event, principal: None, detail }
    }
}

impl CallRecord<'_> {
    pub(super) fn draft(self, arguments: &Arguments) -> Draft {
        let mut draft = Draft::new(Event::Call, self.time);
        draft.principal(self.caller.principal.identity(), arguments.claims);
        // The id is what lets its client in: its digest tells sessions apart as well.
        draft.word("session", self.caller.session.as_deref().map(short_digest).as_deref());
        if let Some(info) = self.caller.client_info.as_ref().filter(|raw| raw.bytes().len() <= MAX_CLIENT_INFO) {
            draft.raw("client_info", info);
        }
        draft.address(self.trace.address());
        draft.word("endpoint", Some(self.endpoint));
        draft.word("era", Some(self.era));
        draft.word("method", Some(self.method));
        draft.word("server", self.trace.server());
        draft.word("target", self.target);
        draft.word("own_name", self.trace.own_name());
        // A look into each tool's description is for those who replay their log.
        if arguments.claims == Claims::Full
            && let Some(said) = self.trace.entry().and_then(annotations)
        {
            draft.raw("annotations", &said);
        }
        let decision = self.trace.decision();
        draft.word("decision", decision.map(|decision| decision.ruling.name()));
        draft.word("rule", decision.and_then(|decision| decision.rule.as_deref()));
        draft.word("outcome", Some(self.ended.outcome));
        draft.value("status", &self.ended.status);
        draft.value("gateway_us", &micros(self.ended.gateway));
        draft.value("upstream_us", &micros(self.ended.upstream));
        draft.word("trace_id", self.trace.context().and_then(TraceContext::trace_id));
        if let Some(given) = self.given {
            draft.arguments(arguments, self.target.unwrap_or(self.method), given);
        }
        draft
    }
}

impl Refusal {
    pub(super) fn draft(&self) -> Draft {
        let mut draft = Draft::new(Event::Refused, self.time);
        let path: String = self.path.chars().take(MAX_PATH).collect();
        if let Some(principal) = &self.principal {
            draft.principal(principal.identity(), Claims::None);
        }
        draft.address(self.address);
        draft.word("endpoint", Some(&path));
        draft.word("method", Some(&self.method));
        draft.word("outcome", Some("refused"));
        draft.value("status", &self.status);
        draft
    }
}

impl Note {
    pub(super) fn draft(&self) -> Draft {
        let mut draft = Draft::new(self.event, self.time);
        if let Some(principal) = &self.principal {
            draft.principal(principal.identity(), Claims::None);
        }
        if !self.detail.is_empty() {
            draft.value("detail", &self.detail);
        }
        draft
    }
}

/// What a tool's description says of how it acts: `{}` where it says nothing, and nothing where it says too much.
fn annotations(entry: &Raw) -> Option<Raw> {
    let said = entry.member("annotations").unwrap_or_else(Raw::empty_object);
    (said.bytes().len() <= MAX_ANNOTATIONS).then_some(said)
}

/// Enough digits of a digest to tell a few million things apart.
fn short_digest(text: &str) -> String {
    let mut digest = sha256(text.as_bytes());
    digest.truncate(16);
    digest
}

/// The moment in the form of RFC 3339.
pub(super) fn moment(since_1970: Duration) -> String {
    let mut out = Vec::with_capacity(32);
    write_time(&mut out, since_1970);
    String::from_utf8(out).unwrap_or_default()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
