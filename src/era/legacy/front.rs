//! Towards legacy clients: messages to calls, replies to messages.
//!
//! What a session remembers is not here: the caller passes it in ([`Session`]) and keeps it.
//!
//! Sources: 2025-11-25 basic/lifecycle, basic/transports, server and client pages, and the same pages of older revisions.

use std::{str::FromStr, sync::Arc};

use bytes::Bytes;

use crate::{
    era::{IMPLEMENTATION, Revision, code, meta, modern, notice as notices, trace},
    jsonrpc::{self, ErrorObject, Id, Kind, Message, MessageBody, Object, Raw},
    mcp::{
        Answer, Ask, Capabilities, Fault, Invoke, Level, ListKind, Notice, Offer, Op, Outcome, Page, Params,
        ProgressInterest, TaskAct, TaskCall, TaskForm, TraceContext, Unanswered, Verb,
    },
};

use super::{
    downgrade,
    fault::{Told, fault},
    question,
};

/// What of a session the codec needs: settled by `initialize`.
#[derive(Clone, Debug)]
pub struct Session {
    /// The revision that was agreed on.
    pub revision: Revision,
    /// What the client can be asked.
    pub capabilities: Capabilities,
}

/// What a message means.
#[derive(Debug)]
pub enum Inbound {
    /// The handshake.
    Initialize(Initialize),
    /// A request that goes to the waist.
    Request(Box<Request>),
    /// A request that the session answers itself.
    Local(Id, Local),
    /// `notifications/initialized`
    Initialized,
    /// `notifications/roots/list_changed`
    RootsChanged,
    /// The client gives up a request of its own.
    Cancelled(Id),
    /// The answer to a question.
    Answer(Id, Answer),
    /// A notification that this gateway has no opinion of.
    Told(String, Option<Raw>),
    /// Nothing that anybody acts on.
    Ignored,
    /// Not acceptable.
    Refused(Option<Id>, ErrorObject),
}

/// The handshake.
#[derive(Debug)]
pub struct Initialize {
    /// The request's id.
    pub id: Id,
    /// The revision that this gateway answers with.
    pub revision: Revision,
    /// What the client can be asked.
    pub capabilities: Capabilities,
    /// What the client calls itself.
    pub client_info: Option<Raw>,
}

/// A request for the waist.
#[derive(Debug)]
pub struct Request {
    /// What its answer needs.
    pub ticket: Ticket,
    /// What is asked.
    pub op: Op,
    /// Whether progress is wanted.
    pub progress: ProgressInterest,
    /// What `_meta` says of the trace that it is part of.
    pub trace: Option<TraceContext>,
}

/// What is kept of a request until it is answered.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The client's id.
    pub id: Id,
    /// The client's progress token.
    progress_token: Option<Raw>,
    verb: Option<Verb>,
}

/// What a session answers itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Local {
    /// `ping`
    Ping,
    /// `logging/setLevel`
    SetLevel(Level),
    /// `resources/subscribe`
    Subscribe(String),
    /// `resources/unsubscribe`
    Unsubscribe(String),
}

/// Reads a message of a session.
pub fn decode(message: Message) -> Inbound {
    match message.body {
        MessageBody::Request { id, method, params } => match params.as_ref().map_or(Ok(Object::default()), Raw::object)
        {
            Ok(object) => request(id, &method, params, object),
            Err(error) => Inbound::Refused(Some(id), ErrorObject::new(code::INVALID_PARAMS, error.to_string())),
        },
        MessageBody::Notification { method, params } => notification(method, params),
        MessageBody::Response { id, result } => Inbound::Answer(id, Ok(result)),
        MessageBody::Error { id: Some(id), error } => Inbound::Answer(id, Err(Unanswered::Refused(error))),
        MessageBody::Error { id: None, .. } => Inbound::Ignored,
    }
}

/// MCP's own notifications that mean nothing here: each leg has its own.
const OWN: [&str; 3] = ["notifications/progress", "notifications/message", "notifications/tasks/status"];

fn notification(method: String, params: Option<Raw>) -> Inbound {
    match &*method {
        "notifications/initialized" => Inbound::Initialized,
        "notifications/roots/list_changed" => Inbound::RootsChanged,
        "notifications/cancelled" => {
            let id = params.as_ref().and_then(|params| params.member("requestId"));
            id.and_then(Id::parse).map_or(Inbound::Ignored, Inbound::Cancelled)
        }
        own if OWN.contains(&own) => Inbound::Ignored,
        _ => Inbound::Told(method, params),
    }
}

fn request(id: Id, method: &str, params: Option<Raw>, object: Object) -> Inbound {
    match method {
        "initialize" => initialize(id, &object),
        "ping" => Inbound::Local(id, Local::Ping),
        "logging/setLevel" => match object.text("level").and_then(|level| Level::from_str(&level).ok()) {
            Some(level) => Inbound::Local(id, Local::SetLevel(level)),
            None => refused(id, "`level` must be one of the eight log levels"),
        },
        "resources/subscribe" | "resources/unsubscribe" => match object.text("uri") {
            Some(uri) if method == "resources/subscribe" => Inbound::Local(id, Local::Subscribe(uri)),
            Some(uri) => Inbound::Local(id, Local::Unsubscribe(uri)),
            None => refused(id, "`uri` must be a string"),
        },
        _ => call(id, method, params, object),
    }
}

fn refused(id: Id, reason: &str) -> Inbound {
    Inbound::Refused(Some(id), ErrorObject::new(code::INVALID_PARAMS, reason))
}

/// The same revision when it is served, the newest legacy one otherwise (2025-11-25 basic/lifecycle, Version Negotiation).
fn initialize(id: Id, params: &Object) -> Inbound {
    let requested = params.text("protocolVersion").as_deref().and_then(Revision::parse);
    let revision = requested.filter(|revision| *revision <= Revision::NEWEST_LEGACY).unwrap_or(Revision::NEWEST_LEGACY);
    let Some(capabilities) = params
        .get("capabilities")
        .map_or_else(|| Some(Capabilities::none()), |declared| Capabilities::parse(&declared))
    else {
        return refused(id, "`capabilities` must be an object");
    };
    let capabilities = Capabilities { tasks: spoken(revision), ..capabilities };
    let client_info = params.get("clientInfo").filter(|info| info.kind() == Kind::Object);
    let capabilities = question::meant(capabilities, revision);
    Inbound::Initialize(Initialize { id, revision, capabilities, client_info })
}

/// In which form a client of that revision speaks of tasks; whatever extension it declares is none of this era.
pub(super) fn spoken(revision: Revision) -> TaskForm {
    if revision == Revision::V2025_11_25 { TaskForm::Core } else { TaskForm::Unspoken }
}

fn call(id: Id, method: &str, params: Option<Raw>, object: Object) -> Inbound {
    let own_meta = object.get("_meta").and_then(|own| own.object().ok());
    let found = Params::new(object, own_meta);
    let progress_token = found
        .own_meta()
        .and_then(|own| own.get(meta::PROGRESS_TOKEN))
        .filter(|token| matches!(token.kind(), Kind::String | Kind::Number));
    let progress = if progress_token.is_some() { ProgressInterest::Wanted } else { ProgressInterest::Unwanted };
    let trace = found.own_meta().and_then(trace::of_meta);
    match operation(method, params, &found) {
        Ok(op) => {
            let verb = if let Op::Invoke(invoke) = &op { Some(invoke.verb) } else { None };
            Inbound::Request(Box::new(Request { ticket: Ticket { id, progress_token, verb }, op, progress, trace }))
        }
        Err(Fault::InvalidParams(reason)) => refused(id, reason),
        Err(Fault::BadCursor) => refused(id, "`cursor` must be a string"),
        Err(_) => {
            Inbound::Refused(Some(id), ErrorObject::new(code::METHOD_NOT_FOUND, format!("Method not found: {method}")))
        }
    }
}

fn operation(method: &str, raw: Option<Raw>, params: &Params) -> Result<Op, Fault> {
    let object = params.object();
    let list = |kind| modern::operation::cursor(object).map(|cursor| Op::List(kind, cursor));
    match method {
        "tools/list" => list(ListKind::Tools),
        "prompts/list" => list(ListKind::Prompts),
        "resources/list" => list(ListKind::Resources),
        "resources/templates/list" => list(ListKind::Templates),
        "tools/call" => invoke(Verb::CallTool, params),
        "prompts/get" => invoke(Verb::GetPrompt, params),
        "resources/read" => invoke(Verb::ReadResource, params),
        "completion/complete" => modern::operation::completion(object).map(Op::Complete),
        "tasks/list" => modern::operation::cursor(object).map(Op::Tasks),
        "tasks/get" | "tasks/result" | "tasks/cancel" => task(method, object),
        "server/discover" | "subscriptions/listen" | "tasks/update" => Err(Fault::UnknownMethod(method.to_owned())),
        _ => Ok(Op::Extension { method: method.to_owned(), params: raw }),
    }
}

/// A legacy client has no rounds: members of that name are not its business.
fn invoke(verb: Verb, params: &Params) -> Result<Op, Fault> {
    const OTHERS: [&str; 3] = ["inputResponses", "requestState", "task"];
    let object = params.object();
    let target = object.text(verb.key()).ok_or(Fault::InvalidParams("the name or uri must be a string"))?;
    let task = object.get("task").filter(|task| verb == Verb::CallTool && task.kind() == Kind::Object);
    let arguments = object.get("arguments");
    let params = if OTHERS.iter().any(|name| object.has(name)) {
        Params::of(Some(&object.edit().remove_all(&OTHERS).finish()))
    } else {
        params.clone()
    };
    Ok(Op::Invoke(Arc::new(Invoke { verb, target, params, arguments, answers: None, state: None, task })))
}

/// What is asked of a task (2025-11-25 basic/utilities/tasks).
fn task(method: &str, params: &Object) -> Result<Op, Fault> {
    let act = TaskAct::parse(TaskForm::Core, method).ok_or_else(|| Fault::UnknownMethod(method.to_owned()))?;
    Ok(Op::Task(TaskCall { act, id: modern::operation::task_id(params)?, params: params.raw().clone() }))
}

/// The answer to the handshake.
pub fn initialized(id: &Id, revision: Revision, offer: &Offer) -> Bytes {
    let capabilities = offer.clone().speaking(spoken(revision)).capabilities();
    let mut members = vec![
        ("protocolVersion", Raw::string(revision.name())),
        ("capabilities", capabilities),
        ("serverInfo", IMPLEMENTATION),
    ];
    members.extend(offer.instructions.as_ref().map(|instructions| ("instructions", Raw::string(instructions))));
    jsonrpc::result_response(id, &meta::of_gateway(&members))
}

/// An empty answer.
pub fn done(id: &Id) -> Bytes {
    jsonrpc::result_response(id, &Raw::empty_object())
}

/// The answer to a request.
pub fn outcome(ticket: &Ticket, session: &Session, outcome: &Outcome) -> Bytes {
    let result = match outcome {
        Outcome::Failed(failed) => match fault(failed, ticket.verb, session.revision, &session.capabilities) {
            Told::Error(error) => return jsonrpc::error_response(Some(ticket.id.raw()), &error),
            Told::ToolError(sentence) => tool_error(&sentence),
        },
        Outcome::Complete(result) | Outcome::Cacheable(result, _) => downgrade::result(result, session.revision),
        Outcome::Discovered(offer) => Offer::clone(offer).speaking(spoken(session.revision)).capabilities(),
        Outcome::Task(task) => task.result.clone(),
        Outcome::Listed(page) => listed(page, session.revision),
        // Questions are put to the client before an answer is due; nothing else can come here.
        Outcome::InputRequired { .. } => tool_error("The server asks for input in a way that cannot be carried here"),
    };
    jsonrpc::result_response(&ticket.id, &result)
}

/// The result of a tool call that failed.
pub fn tool_error(sentence: &str) -> Raw {
    let text = Raw::string(sentence);
    Raw::trusted(Bytes::from(format!(r#"{{"content":[{{"type":"text","text":{}}}],"isError":true}}"#, text.as_str())))
}

fn listed(page: &Page, revision: Revision) -> Raw {
    page.renderings.form(revision.name(), || {
        let entries = page.entries.iter().map(|entry| downgrade::entry(page.kind, entry, revision));
        let mut members = vec![(page.kind.member(), jsonrpc::array(entries))];
        members.extend(page.next.as_ref().map(|next| ("nextCursor", Raw::string(next))));
        let own_meta = meta::of_page(page);
        if !own_meta.is_empty() {
            members.push(("_meta", meta::of_gateway(&own_meta)));
        }
        meta::of_gateway(&members)
    })
}

/// A notice on the stream of this request, or (without a ticket) on the session's own. `None` for what this era does not tell.
pub fn notice(ticket: Option<&Ticket>, notice: &Notice) -> Option<Bytes> {
    if matches!(notice, Notice::Acknowledged(_)) || matches!(notice, Notice::Task(task) if task.form != TaskForm::Core)
    {
        return None;
    }
    let (method, params) = notices::encode(notice, ticket.and_then(|ticket| ticket.progress_token.as_ref()))?;
    Some(jsonrpc::notification(&method, params.as_ref()))
}

/// Why a question cannot be put to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inexpressible {
    /// The client did not declare the capability.
    #[error("the client did not declare the capability for this question")]
    Undeclared,
    /// The client's revision has no words for it.
    #[error("the client's protocol revision has no form for this question")]
    TooNew,
}

/// A question as a request to the client.
///
/// # Errors
/// [`Inexpressible`]; the asker is told.
pub fn ask(id: &Id, ask: &Ask, session: &Session) -> Result<Bytes, Inexpressible> {
    if session.capabilities.profile.lacks(ask.kind, ask.params.as_ref()).is_some() {
        return Err(Inexpressible::Undeclared);
    }
    let params = question::params(ask, session.revision).ok_or(Inexpressible::TooNew)?;
    Ok(jsonrpc::request(id, ask.kind.method(), params.as_ref()))
}

/// The gateway withdraws a question.
pub fn retract(id: &Id) -> Bytes {
    jsonrpc::notification("notifications/cancelled", Some(&meta::of_gateway(&[("requestId", id.raw().clone())])))
}

/// A refusal that belongs to no request, or to the one with that id; legacy SDKs expect `null` where there is none.
pub fn refusal(id: Option<&Id>, error: &ErrorObject) -> Bytes {
    let null = Raw::literal("null");
    jsonrpc::error_response(Some(id.map_or(&null, Id::raw)), error)
}
