//! Towards modern servers: calls to requests, messages to outcomes.
//!
//! Sources: 2026-07-28 basic/index (`_meta`, ResultType), streamable-http (Request Headers), server/discover.

use http::{HeaderName, HeaderValue};

use crate::{
    era::{Incoming, Method, Outgoing, Revision, code, meta, notice},
    jsonrpc::{ErrorObject, Id, Message, MessageBody, Object, Raw},
    mcp::{
        CacheHint, Caller, Fault, Filter, Mirror, Offer, Outcome, Params, ProgressInterest, TaskForm, Verb,
        encode_value, tasks_required,
    },
};

use super::{front::named_by, header};

/// A request for a modern server, made of a client's parameters.
#[derive(Debug)]
pub struct Encode<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// Whether the client wants progress.
    pub progress: ProgressInterest,
    /// The number that is this request's id and progress token on this wire.
    pub token: u64,
}

impl Encode<'_> {
    /// Any method with a client's parameters, some of them changed.
    pub fn request(
        &self,
        method: Method,
        params: &Params,
        changes: &[(&str, Option<Raw>)],
        mirror: &Mirror,
    ) -> Outgoing {
        let sent = |name: &str| match changes.iter().rev().find(|(changed, _)| *changed == name) {
            Some((_, value)) => value.clone(),
            None => params.object().get(name),
        };
        Outgoing { headers: headers(&method, sent, mirror), ..self.bare(method, params, changes) }
    }

    /// The same for a wire without headers.
    pub fn bare(&self, method: Method, params: &Params, changes: &[(&str, Option<Raw>)]) -> Outgoing {
        let own_meta = meta::for_modern(params.own_meta(), self.caller, self.progress, self.token);
        let edit = changes.iter().fold(params.object().edit(), |edit, (name, value)| match value {
            Some(value) => edit.set(name, value.clone()),
            None => edit.remove(name),
        });
        let params = edit.set("_meta", own_meta).finish();
        Outgoing { method, params: Some(params), headers: Vec::new() }
    }

    /// `subscriptions/listen`.
    pub fn listen(&self, filter: &Filter) -> Outgoing {
        let changes = [("notifications", Some(filter.to_raw()))];
        self.request("subscriptions/listen".into(), &Params::default(), &changes, &Mirror::default())
    }

    /// `server/discover`, which is the probe as well.
    pub fn discover(&self) -> Outgoing {
        self.request("server/discover".into(), &Params::default(), &[], &Mirror::default())
    }
}

/// What HTTP carries besides the body; `sent` finds a parameter as it is sent.
fn headers(method: &str, sent: impl Fn(&str) -> Option<Raw>, mirror: &Mirror) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::with_capacity(3);
    headers.push((header::PROTOCOL_VERSION.clone(), HeaderValue::from_static(Revision::NEWEST_MODERN.name())));
    headers.extend(HeaderValue::from_str(method).ok().map(|method| (header::METHOD.clone(), method)));
    let Some(key) = named_by(method) else { return headers };
    let name = sent(key);
    let name = name.as_ref().and_then(Raw::text).and_then(|name| HeaderValue::from_str(&encode_value(&name)).ok());
    headers.extend(name.map(|name| (header::NAME.clone(), name)));
    if !mirror.is_empty() {
        let mirrored = mirror.headers(sent("arguments").as_ref());
        headers.extend(mirrored.iter().filter_map(|(name, value)| {
            Some((
                HeaderName::try_from(format!("{}{name}", header::ARGUMENT)).ok()?,
                HeaderValue::from_str(value).ok()?,
            ))
        }));
    }
    headers
}

/// A message of a modern server. `None` for what means nothing.
pub fn decode(message: Message) -> Option<Incoming> {
    match message.body {
        MessageBody::Response { id, result } => Some(Incoming::Answer(id, Ok(result))),
        MessageBody::Error { id: Some(id), error } => Some(Incoming::Answer(id, Err(error))),
        MessageBody::Error { id: None, error } => Some(Incoming::Complaint(error)),
        MessageBody::Notification { method, params } => notice::decode(&method, params),
        // A modern server sends no requests; it gets no answer either (stdio, Sending Messages).
        MessageBody::Request { .. } => None,
    }
}

/// How a call ended, judged by its `resultType`.
///
/// # Errors
/// [`NotAResult`]; the client hears of a server that sent what is not MCP.
pub fn outcome(verb: Option<Verb>, caller: &Caller, answer: Result<Raw, ErrorObject>) -> Result<Outcome, NotAResult> {
    let result = match answer {
        Ok(result) => result,
        Err(error) => return Ok(Outcome::Failed(Fault::Upstream(error))),
    };
    let object = result.object().map_err(|_| NotAResult)?;
    if verb == Some(Verb::CallTool) && object.value("resultType") == Some(b"\"complete\"") {
        return Ok(Outcome::Complete(result));
    }
    match (object.borrowed_text("resultType").as_deref(), verb) {
        // Absent: an older server (2026-07-28 basic/index, ResultType).
        (None | Some("complete"), Some(Verb::ReadResource)) => Ok(Outcome::Cacheable(result, CacheHint::read(&object))),
        (None | Some("complete"), _) => Ok(Outcome::Complete(result)),
        (Some("input_required"), Some(_)) => input_required(&object),
        (Some("task"), Some(Verb::CallTool)) => task(&object, caller),
        // A value of an extension that this request declared is the client's to understand.
        (Some(kind), _) if !matches!(kind, "input_required" | "task") && declares_extensions(caller) => {
            Ok(Outcome::Complete(result))
        }
        _ => Err(NotAResult),
    }
}

/// Whether a modern client declared extensions other than the official ones, whose kinds of results are known.
fn declares_extensions(caller: &Caller) -> bool {
    let declared = caller.capabilities.profile.extensions.as_ref().and_then(|declared| declared.object().ok());
    let is_unknown = |(id, _): (&str, Raw)| !id.starts_with("io.modelcontextprotocol/");
    caller.session.is_none() && declared.is_some_and(|declared| declared.iter().any(is_unknown))
}

/// A server answered with what is no result of this revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAResult;

fn input_required(object: &Object) -> Result<Outcome, NotAResult> {
    let requests = object.get("inputRequests");
    let state = object
        .get("requestState")
        .map(|state| state.text().map(std::borrow::Cow::into_owned).ok_or(NotAResult))
        .transpose()?;
    if requests.is_none() && state.is_none() {
        return Err(NotAResult);
    }
    Ok(Outcome::InputRequired { requests, state, result: object.raw().clone() })
}

/// A task that the client did not say it can follow is of no use to it (the extension's Capability Negotiation).
fn task(object: &Object, caller: &Caller) -> Result<Outcome, NotAResult> {
    match caller.capabilities.tasks {
        TaskForm::Extension => super::task::created(object).map(Outcome::Task).ok_or(NotAResult),
        TaskForm::Core | TaskForm::Unspoken => Ok(Outcome::Failed(Fault::MissingCapability(tasks_required()))),
    }
}

/// What a probe learned.
#[derive(Clone, Debug)]
pub enum Probe {
    /// A modern server, and what it offers.
    Modern(Offer),
    /// A legacy server: `initialize` comes next.
    Legacy,
    /// A modern server that wants another revision of this era; it names one that this gateway speaks.
    Retry,
    /// A modern server of which no revision is spoken here.
    Incompatible,
}

/// Judges the answer to the probe. Any error but the modern ones means legacy: servers differ too much to key on a code
/// (2026-07-28 basic/versioning, Backward Compatibility).
pub fn probe(answer: &Result<Raw, ErrorObject>) -> Probe {
    match answer {
        Ok(result) => discovered(result).unwrap_or(Probe::Legacy),
        Err(error) if error.code == code::UNSUPPORTED_VERSION => unsupported(error),
        // A correct probe cannot cause these; whoever says them lives in this era.
        Err(error) if matches!(error.code, code::HEADER_MISMATCH | code::MISSING_CAPABILITY) => Probe::Retry,
        Err(_) => Probe::Legacy,
    }
}

fn discovered(result: &Raw) -> Option<Probe> {
    let object = result.object().ok()?;
    let versions = object.get("supportedVersions")?.elements()?;
    if !versions.iter().any(is_spoken) {
        return Some(Probe::Legacy);
    }
    let capabilities = object.get("capabilities")?.object().ok()?;
    Some(Probe::Modern(Offer::read(&capabilities, object.text("instructions")).speaking(TaskForm::Extension)))
}

fn is_spoken(version: &Raw) -> bool {
    version.text().as_deref() == Some(Revision::NEWEST_MODERN.name())
}

fn unsupported(error: &ErrorObject) -> Probe {
    let supported = error
        .data
        .as_ref()
        .and_then(|data| data.member("supported"))
        .and_then(|supported| supported.elements())
        .unwrap_or_default();
    if supported.iter().any(is_spoken) {
        return Probe::Retry;
    }
    let modern = supported.iter().filter_map(Raw::text).any(|version| Revision::claims_modern(&version));
    if modern { Probe::Incompatible } else { Probe::Legacy }
}

/// `notifications/cancelled` for a request of ours (stdio; HTTP closes the stream instead).
pub fn cancelled(id: &Id) -> (&'static str, Raw) {
    ("notifications/cancelled", meta::of_gateway(&[("requestId", id.raw().clone())]))
}
