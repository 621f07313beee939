//! What is handed over to be written: the pieces as they are, since making a line of them is not the call's work.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    arguments::{Arguments, Kept, one_line},
    chain::sha256,
    line::{Event, Line, Who},
};
use crate::{
    jsonrpc::Raw,
    mcp::{Principal, Trace, TraceContext},
    telemetry::write_time,
};

/// What a client calls itself is not kept when it is larger, in bytes.
const MAX_CLIENT_INFO: usize = 1024;
/// Of a path that somebody made up, so many characters are kept.
const MAX_PATH: usize = 256;

/// Something to be written.
pub(super) enum Record {
    Call(Box<CallRecord>),
    Refusal(Refusal),
    Note(Note),
}

/// A call that ended.
pub(super) struct CallRecord {
    pub(super) time: Duration,
    pub(super) principal: Principal,
    pub(super) session: Option<Arc<str>>,
    pub(super) client_info: Option<Raw>,
    pub(super) endpoint: Arc<str>,
    pub(super) era: &'static str,
    pub(super) method: String,
    pub(super) target: Option<String>,
    pub(super) given: Given,
    pub(super) trace: Arc<Trace>,
    pub(super) ended: Ended,
}

/// What a call was given.
pub(super) enum Given {
    Nothing,
    /// Parameters with a member `arguments`.
    Arguments(Raw),
    /// Parameters as a whole.
    Parameters(Raw),
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
    /// The HTTP method.
    pub method: String,
    /// The HTTP status.
    pub status: u16,
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

impl Record {
    /// Bytes that it holds on to.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Call(call) => match &call.given {
                Given::Nothing => 0,
                Given::Arguments(raw) | Given::Parameters(raw) => raw.bytes().len(),
            },
            Self::Refusal(_) | Self::Note(_) => 0,
        }
    }

    pub(super) const fn time(&self) -> Duration {
        match self {
            Self::Call(call) => call.time,
            Self::Refusal(refusal) => refusal.time,
            Self::Note(note) => note.time,
        }
    }

    /// Hands its line to `take`.
    pub(super) fn line(&self, arguments: &Arguments, take: impl FnOnce(Line<'_>)) {
        let time = moment(self.time());
        match self {
            Self::Call(call) => call.line(&time, arguments, take),
            Self::Refusal(refusal) => take(refusal.line(&time)),
            Self::Note(note) => take(note.line(&time)),
        }
    }
}

impl CallRecord {
    fn line(&self, time: &str, arguments: &Arguments, take: impl FnOnce(Line<'_>)) {
        // The id is what lets its client in: its digest tells sessions apart as well.
        let session = self.session.as_ref().map(|id| short_digest(id));
        let Kept { digest, text } = self.kept(arguments);
        let client_info = self.client_info.as_ref().filter(|raw| raw.bytes().len() <= MAX_CLIENT_INFO).map(one_line);
        let address = self.trace.address().map(|address| address.to_string());
        let decision = self.trace.decision();
        take(Line {
            principal: Some(Who::of(self.principal.identity())),
            session: session.map(Into::into),
            client_info: client_info.flatten().map(std::borrow::Cow::Owned),
            address: address.map(Into::into),
            endpoint: Some((&*self.endpoint).into()),
            era: Some(self.era.into()),
            method: Some(self.method.as_str().into()),
            server: self.trace.server().map(Into::into),
            target: self.target.as_deref().map(Into::into),
            own_name: self.trace.own_name().map(Into::into),
            arguments_sha256: digest.map(Into::into),
            arguments: text.map(std::borrow::Cow::Owned),
            decision: decision.map(|decision| decision.ruling.name().into()),
            rule: decision.and_then(|decision| decision.rule.as_deref()).map(Into::into),
            outcome: Some(self.ended.outcome.into()),
            status: Some(self.ended.status),
            gateway_us: Some(micros(self.ended.gateway)),
            upstream_us: Some(micros(self.ended.upstream)),
            trace_id: self.trace.context().and_then(TraceContext::trace_id).map(Into::into),
            ..Line::new(Event::Call, time)
        });
    }

    fn kept(&self, arguments: &Arguments) -> Kept {
        let name = self.target.as_deref().unwrap_or(&self.method);
        match &self.given {
            Given::Nothing => Kept::default(),
            Given::Parameters(raw) => arguments.keep(name, raw),
            Given::Arguments(raw) => {
                raw.member("arguments").map_or_else(Kept::default, |raw| arguments.keep(name, &raw))
            }
        }
    }
}

impl Refusal {
    fn line<'a>(&'a self, time: &'a str) -> Line<'a> {
        let path: String = self.path.chars().take(MAX_PATH).collect();
        Line {
            address: self.address.map(|address| address.to_string().into()),
            endpoint: Some(path.into()),
            method: Some(self.method.as_str().into()),
            outcome: Some("refused".into()),
            status: Some(self.status),
            ..Line::new(Event::Refused, time)
        }
    }
}

impl Note {
    fn line<'a>(&'a self, time: &'a str) -> Line<'a> {
        Line {
            principal: self.principal.as_ref().map(|principal| Who::of(principal.identity())),
            detail: self.detail.clone(),
            ..Line::new(self.event, time)
        }
    }
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
