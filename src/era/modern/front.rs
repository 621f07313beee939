//! Towards modern clients: requests to calls, replies to messages.
//!
//! [`decode`] is the validation ladder of the specification, first failure first; what it hands out needs no further check but for
//! what only a server knows (its tools and their mirrored arguments).
//!
//! Sources: 2026-07-28 basic/index, basic/transports/streamable-http (Server Validation), server/utilities/caching.

use std::{borrow::Cow, str::FromStr, time::Duration};

use bytes::Bytes;
use http::HeaderMap;

use crate::{
    clock,
    era::{IMPLEMENTATION, Refusal, Revision, code, meta, notice as notices, trace},
    jsonrpc::{self, ErrorObject, Id, Kind, Object, Raw},
    mcp::{
        CacheHint, CacheScope, Capabilities, Fault, Level, ListKind, LogInterest, Mirrored, Notice, Offer, Op, Outcome,
        Page, Params, ProgressInterest, TaskForm, TraceContext, Verb, decode_value,
    },
};

use super::{
    header::{Mirrors, mismatch},
    operation::operation,
};

/// What a request asks, and what its answer needs.
#[derive(Debug)]
pub struct Request {
    /// What the answer needs.
    pub ticket: Ticket,
    /// What is asked.
    pub op: Op,
    /// Whether progress is wanted.
    pub progress: ProgressInterest,
    /// What the client calls itself.
    pub client_info: Option<Raw>,
    /// What the client can be asked.
    pub capabilities: Capabilities,
    /// Which log messages are wanted.
    pub log: LogInterest,
    /// Arguments mirrored into headers.
    pub mirrored: Mirrored,
    /// The trace that it is part of.
    pub trace: Option<TraceContext>,
}

/// What is kept of a request until it is answered.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The client's id.
    pub id: Id,
    /// The client's progress token.
    progress_token: Option<Raw>,
    shape: Shape,
}

/// What the result of a method must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Plain,
    Cacheable,
    Subscription,
}

/// An answer for HTTP.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The status.
    pub status: u16,
    /// The message.
    pub body: Bytes,
    /// When a retry makes sense.
    pub retry_after: Option<Duration>,
}

/// Reads a request that its body or its headers place in this era.
///
/// # Errors
/// The refusal, with the status that the ladder prescribes.
pub fn decode(headers: &HeaderMap, id: Id, method: String, params: Option<Raw>) -> Result<Request, Refusal> {
    let refuse = |status, error: ErrorObject| refusal(status, Some(&id), &error);
    let found = found(params.as_ref()).map_err(|error| refuse(400, error))?;
    let empty = Object::default();
    let own_meta = found.own_meta().unwrap_or(&empty);
    let (claim, capabilities) = envelope(own_meta).map_err(|error| refuse(400, error))?;
    let mirrors = Mirrors::read(headers);
    check_version(&mirrors, &claim).map_err(|error| refuse(400, error))?;
    check_method(&mirrors, &method).map_err(|error| refuse(400, error))?;
    check_name(&mirrors, &method, found.object()).map_err(|error| refuse(400, error))?;
    let progress_token =
        own_meta.get(meta::PROGRESS_TOKEN).filter(|token| matches!(token.kind(), Kind::String | Kind::Number));
    let log = log_interest(own_meta).map_err(|error| refuse(200, error))?;
    let progress = if progress_token.is_some() { ProgressInterest::Wanted } else { ProgressInterest::Unwanted };
    let op = operation(&method, params, &found, capabilities.tasks).map_err(|fault| answer_fault(&id, &fault))?;
    let mirrored = if matches!(&op, Op::Invoke(invoke) if invoke.verb == Verb::CallTool) {
        mirrors.arguments(headers)
    } else {
        Mirrored::NotApplicable
    };
    let client_info = own_meta.get(meta::CLIENT_INFO).filter(|info| info.kind() == Kind::Object);
    Ok(Request {
        ticket: Ticket { id, progress_token, shape: shape(&op) },
        op,
        progress,
        client_info,
        capabilities,
        log,
        mirrored,
        trace: trace::read(trace::of_meta(own_meta), headers),
    })
}

/// A refusal before there is a call.
pub(in crate::era) fn refusal(status: u16, id: Option<&Id>, error: &ErrorObject) -> Refusal {
    Refusal { status, body: jsonrpc::error_response(id.map(Id::raw), error) }
}

fn answer_fault(id: &Id, fault: &Fault) -> Refusal {
    let (status, error, _) = super::fault(fault);
    refusal(status, Some(id), &error)
}

/// What is absent reads as empty: what is missing in it is said then.
fn found(params: Option<&Raw>) -> Result<Params, ErrorObject> {
    let Some(params) = params else { return Ok(Params::default()) };
    let object = object(params)?;
    let own_meta = object.get("_meta").as_ref().map(self::object).transpose()?;
    Ok(Params::new(object, own_meta))
}

fn object(raw: &Raw) -> Result<Object, ErrorObject> {
    raw.object().map_err(|error| {
        ErrorObject::new(code::INVALID_PARAMS, format!("`params` and `_meta` must be objects: {error}"))
    })
}

fn envelope(own_meta: &Object) -> Result<(Cow<'_, str>, Capabilities), ErrorObject> {
    let missing = |key: &str| ErrorObject::new(code::INVALID_PARAMS, format!("`_meta` must have `{key}`"));
    let claim = own_meta.borrowed_text(meta::PROTOCOL_VERSION).ok_or_else(|| missing(meta::PROTOCOL_VERSION))?;
    let capabilities = own_meta.get(meta::CLIENT_CAPABILITIES).and_then(|declared| Capabilities::parse(&declared));
    Ok((claim, capabilities.ok_or_else(|| missing(meta::CLIENT_CAPABILITIES))?))
}

/// The header is compared before the revision is judged: a contradiction is worse than an unknown revision.
fn check_version(mirrors: &Mirrors<'_>, claim: &str) -> Result<(), ErrorObject> {
    let header = mirrors.version()?.ok_or_else(|| mismatch("MCP-Protocol-Version is missing"))?;
    if header != claim.as_bytes() {
        return Err(mismatch("MCP-Protocol-Version is not what `_meta` says"));
    }
    match Revision::parse(claim) {
        Some(Revision::NEWEST_MODERN) => Ok(()),
        _ => Err(unsupported_version(claim)),
    }
}

/// The revision is not served in this era.
pub(in crate::era) fn unsupported_version(requested: &str) -> ErrorObject {
    let data = code::data(&[("supported", supported_versions()), ("requested", Raw::string(requested))]);
    ErrorObject::new(code::UNSUPPORTED_VERSION, "Unsupported protocol version").with_data(data)
}

fn supported_versions() -> Raw {
    Raw::from_value(&[Revision::NEWEST_MODERN.name()])
}

fn check_method(mirrors: &Mirrors<'_>, method: &str) -> Result<(), ErrorObject> {
    match mirrors.method()? {
        None => Err(mismatch("Mcp-Method is missing")),
        Some(header) if header != method.as_bytes() => Err(mismatch("Mcp-Method is not the method of the body")),
        Some(_) => Ok(()),
    }
}

/// The parameter that `Mcp-Name` mirrors.
pub(in crate::era) fn named_by(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

fn check_name(mirrors: &Mirrors<'_>, method: &str, params: &Object) -> Result<(), ErrorObject> {
    let Some(key) = named_by(method) else { return Ok(()) };
    let header = mirrors.name()?.ok_or_else(|| mismatch("Mcp-Name is missing"))?;
    let header = decode_value(header).map_err(|_| mismatch("Mcp-Name is not a valid encoded value"))?;
    match params.borrowed_text(key) {
        None => Err(ErrorObject::new(code::INVALID_PARAMS, format!("`params.{key}` must be a string"))),
        // White space around a header is not part of it, so it cannot be compared.
        Some(name) if header != name && header != name.trim_matches([' ', '\t']) => {
            Err(mismatch("Mcp-Name is not what the body says"))
        }
        Some(_) => Ok(()),
    }
}

fn log_interest(own_meta: &Object) -> Result<LogInterest, ErrorObject> {
    let Some(level) = own_meta.get(meta::LOG_LEVEL) else { return Ok(LogInterest::Off) };
    let level = level.text().and_then(|name| Level::from_str(&name).ok());
    level.map(LogInterest::AtLeast).ok_or_else(|| ErrorObject::new(code::INVALID_PARAMS, "Unknown log level"))
}

fn shape(op: &Op) -> Shape {
    match op {
        Op::Discover | Op::List(..) => Shape::Cacheable,
        Op::Invoke(invoke) if matches!(invoke.verb, Verb::ReadResource) => Shape::Cacheable,
        Op::Listen(_) => Shape::Subscription,
        _ => Shape::Plain,
    }
}

/// The answer to a request.
pub fn outcome(ticket: &Ticket, outcome: &Outcome) -> Encoded {
    let result = match outcome {
        Outcome::Failed(fault) => return failed(&ticket.id, fault),
        Outcome::Complete(result) => complete(ticket, result, CacheHint::NONE),
        Outcome::Cacheable(result, hint) => complete(ticket, result, *hint),
        Outcome::Discovered(offer) => discovered(offer),
        Outcome::Listed(page) => listed(page),
        Outcome::InputRequired { state, result, .. } => input_required(state.as_deref(), result),
        Outcome::Task(task) => task.result.clone(),
    };
    Encoded { status: 200, body: jsonrpc::result_response(&ticket.id, &result), retry_after: None }
}

fn failed(id: &Id, fault: &Fault) -> Encoded {
    let (status, error, retry_after) = super::fault(fault);
    Encoded { status, body: jsonrpc::error_response(Some(id.raw()), &error), retry_after }
}

/// A server's result, with what this revision demands of each added where an older server left it out.
fn complete(ticket: &Ticket, result: &Raw, hint: CacheHint) -> Raw {
    // Of a modern server nothing is missing, and its results may be large.
    if ticket.shape == Shape::Plain && result.surely_has(b"\"resultType\"") {
        return result.clone();
    }
    let Ok(object) = result.object() else { return result.clone() };
    let edit = object.edit().set_default("resultType", Raw::literal("\"complete\""));
    match ticket.shape {
        Shape::Plain => edit.finish(),
        Shape::Cacheable => edit
            .set_default("ttlMs", ttl_ms(hint.ttl))
            .set_default("cacheScope", Raw::string(hint.scope.name()))
            .finish(),
        Shape::Subscription => {
            let own_meta = meta::of_gateway(&[(meta::SUBSCRIPTION_ID, ticket.id.raw().clone())]);
            edit.set("_meta", own_meta).finish()
        }
    }
}

fn ttl_ms(ttl: Duration) -> Raw {
    Raw::from_value(&u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}

/// The gateway answers discovery itself. What it offers may change with its servers at any time, so nothing is promised.
fn discovered(offer: &Offer) -> Raw {
    let mut members = vec![
        ("resultType", Raw::literal("\"complete\"")),
        ("supportedVersions", supported_versions()),
        ("capabilities", offer.clone().speaking(TaskForm::Extension).capabilities()),
    ];
    members.extend(offer.instructions.as_ref().map(|instructions| ("instructions", Raw::string(instructions))));
    members.push(("ttlMs", Raw::literal("0")));
    members.push(("cacheScope", Raw::string(CacheScope::Private.name())));
    members.push(("_meta", meta::of_gateway(&[(meta::SERVER_INFO, IMPLEMENTATION)])));
    meta::of_gateway(&members)
}

/// A page: serialised once, but for the freshness that is left.
fn listed(page: &Page) -> Raw {
    let body = page.renderings.form("2026-07-28", || render(page));
    let left = page.fresh_until.map_or(0, |until| until.saturating_duration_since(clock::now()).as_millis());
    let mut out = Vec::with_capacity(body.bytes().len() + 24);
    out.extend_from_slice(body.bytes().strip_suffix(b"}").unwrap_or_default());
    out.extend_from_slice(format!(",\"ttlMs\":{left}}}").as_bytes());
    Raw::trusted(Bytes::from(out))
}

fn render(page: &Page) -> Raw {
    let entries = page.entries.iter().map(|entry| entry_form(page.kind, entry));
    let mut own_meta = vec![(meta::SERVER_INFO, IMPLEMENTATION)];
    own_meta.extend(meta::of_page(page));
    let mut members = vec![("resultType", Raw::literal("\"complete\"")), (page.kind.member(), jsonrpc::array(entries))];
    members.extend(page.next.as_ref().map(|next| ("nextCursor", Raw::string(next))));
    members.push(("cacheScope", Raw::string(page.scope.name())));
    members.push(("_meta", meta::of_gateway(&own_meta)));
    meta::of_gateway(&members)
}

/// `execution` belongs to the tasks of 2025-11-25, which are not those of this revision's extension.
fn entry_form(kind: ListKind, entry: &Raw) -> Raw {
    match entry.object() {
        Ok(object) if kind == ListKind::Tools => object.edit().remove("execution").finish(),
        _ => entry.clone(),
    }
}

fn input_required(state: Option<&str>, result: &Raw) -> Raw {
    let Ok(object) = result.object() else { return result.clone() };
    match state {
        Some(state) => object.edit().set("requestState", Raw::string(state)).finish(),
        None => object.edit().remove("requestState").finish(),
    }
}

/// A notice on the stream of this request. `None` for what this era does not tell.
pub fn notice(ticket: &Ticket, notice: &Notice) -> Option<Bytes> {
    // Taken out of this revision: a client finds out by calling again.
    let is_other = match notice {
        Notice::Elicited(..) => true,
        Notice::Task(task) => task.form != TaskForm::Extension,
        _ => false,
    };
    if is_other {
        return None;
    }
    let (method, params) = notices::encode(notice, ticket.progress_token.as_ref())?;
    let params = match ticket.shape {
        Shape::Subscription => Some(meta::with(params.as_ref(), meta::SUBSCRIPTION_ID, ticket.id.raw().clone())),
        Shape::Plain | Shape::Cacheable => params,
    };
    Some(jsonrpc::notification(&method, params.as_ref()))
}
