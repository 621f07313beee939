//! What a modern request asks for: its method and parameters as an operation of the waist.
//!
//! Sources: 2026-07-28 server pages, basic/patterns; the extension `io.modelcontextprotocol/tasks`.

use std::sync::Arc;

use crate::{
    jsonrpc::{Kind, Object, Raw},
    mcp::{
        Completion, Fault, Filter, Invoke, ListKind, Op, Params, Reference, TaskAct, TaskCall, TaskForm, Verb,
        tasks_required,
    },
};

/// Methods that this revision took away; a server that still knows them does not get them from a modern client.
const REMOVED: [&str; 10] = [
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "tasks/list",
    "tasks/result",
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
];

/// Reads a request's method and parameters; `tasks` is what the client declared of them with this request.
///
/// # Errors
/// The fault of the first check that fails.
pub(super) fn operation(method: &str, raw: Option<Raw>, params: &Params, tasks: TaskForm) -> Result<Op, Fault> {
    let object = params.object();
    let list = |kind| cursor(object).map(|cursor| Op::List(kind, cursor));
    match method {
        "server/discover" => Ok(Op::Discover),
        "tools/list" => list(ListKind::Tools),
        "prompts/list" => list(ListKind::Prompts),
        "resources/list" => list(ListKind::Resources),
        "resources/templates/list" => list(ListKind::Templates),
        "tools/call" => invoke(Verb::CallTool, params),
        "prompts/get" => invoke(Verb::GetPrompt, params),
        "resources/read" => invoke(Verb::ReadResource, params),
        "completion/complete" => completion(object).map(Op::Complete),
        "subscriptions/listen" => listen(object, tasks).map(Op::Listen),
        "tasks/get" | "tasks/update" | "tasks/cancel" => task(method, object, tasks),
        _ if REMOVED.contains(&method) => Err(Fault::UnknownMethod(method.to_owned())),
        _ => Ok(Op::Extension { method: method.to_owned(), params: raw }),
    }
}

/// The cursor of a list request, in both eras.
pub(in crate::era) fn cursor(params: &Object) -> Result<Option<String>, Fault> {
    params
        .get("cursor")
        .map(|cursor| cursor.text().map(std::borrow::Cow::into_owned).ok_or(Fault::BadCursor))
        .transpose()
}

/// A completion request, in both eras.
pub(in crate::era) fn completion(params: &Object) -> Result<Completion, Fault> {
    const UNCLEAR: Fault =
        Fault::InvalidParams("`ref` must be a `ref/prompt` with a name or a `ref/resource` with a uri");
    let reference = params.get("ref").and_then(|reference| reference.object().ok()).ok_or(UNCLEAR)?;
    let reference = match reference.text("type").as_deref() {
        Some("ref/prompt") => Reference::Prompt(reference.text("name").ok_or(UNCLEAR)?),
        Some("ref/resource") => Reference::Resource(reference.text("uri").ok_or(UNCLEAR)?),
        _ => return Err(UNCLEAR),
    };
    Ok(Completion { reference, params: params.raw().clone() })
}

fn invoke(verb: Verb, params: &Params) -> Result<Op, Fault> {
    let object = params.object();
    let target = object.text(verb.key()).ok_or(Fault::InvalidParams("the name or uri must be a string"))?;
    let answers = object.get("inputResponses");
    if answers.as_ref().is_some_and(|answers| answers.kind() != Kind::Object) {
        return Err(Fault::InvalidParams("`inputResponses` must be an object"));
    }
    let state = object
        .get("requestState")
        .map(|state| state.text().map(std::borrow::Cow::into_owned).ok_or(Fault::BadState("not a string")))
        .transpose()?;
    let arguments = object.get("arguments");
    let invoke = Invoke { verb, target, params: params.clone(), arguments, answers, state, task: None };
    Ok(Op::Invoke(Arc::new(invoke)))
}

fn listen(params: &Object, tasks: TaskForm) -> Result<Filter, Fault> {
    let notifications = params.get("notifications").and_then(|notifications| notifications.object().ok());
    let filter = notifications
        .as_ref()
        .and_then(Filter::parse)
        .ok_or(Fault::InvalidParams("`notifications` must be a subscription filter"))?;
    if filter.task_ids.is_empty() { Ok(filter) } else { declared(tasks).map(|()| filter) }
}

/// What is asked of a task (extension `io.modelcontextprotocol/tasks`).
fn task(method: &str, params: &Object, tasks: TaskForm) -> Result<Op, Fault> {
    let act = TaskAct::parse(TaskForm::Extension, method).ok_or_else(|| Fault::UnknownMethod(method.to_owned()))?;
    let id = task_id(params)?;
    if act == TaskAct::Update && params.get("inputResponses").is_none_or(|answers| answers.kind() != Kind::Object) {
        return Err(Fault::InvalidParams("`inputResponses` must be an object"));
    }
    declared(tasks)?;
    Ok(Op::Task(TaskCall { act, id, params: params.raw().clone() }))
}

/// The task that a request is about, in both eras.
pub(in crate::era) fn task_id(params: &Object) -> Result<String, Fault> {
    params.text("taskId").ok_or(Fault::InvalidParams("`taskId` must be a string"))
}

/// Who did not declare the extension with this request does not get to speak of tasks (Capability Negotiation).
fn declared(tasks: TaskForm) -> Result<(), Fault> {
    if tasks == TaskForm::Extension { Ok(()) } else { Err(Fault::MissingCapability(tasks_required())) }
}
