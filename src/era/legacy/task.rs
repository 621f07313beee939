//! Tasks as 2025-11-25 writes them: nested where they are made, flat where they are shown, and named in the `_meta` of what belongs
//! to them.
//!
//! Source: 2025-11-25 basic/utilities/tasks.

use std::time::Duration;

use crate::{
    era::{Outgoing, meta},
    jsonrpc::{Object, Raw},
    mcp::{NewTask, TaskAct},
};

/// Which task a message belongs to.
pub(in crate::era) const RELATED: &str = "io.modelcontextprotocol/related-task";

/// The task of a `CreateTaskResult`. `None` when it is no such result: a server may run a call at once all the same.
pub fn created(result: &Raw) -> Option<NewTask> {
    let task = result.member("task")?.object().ok()?;
    let ttl = task.get("ttl").and_then(|ttl| ttl.unsigned()).map(Duration::from_millis);
    Some(NewTask { id: task.text("taskId")?, ttl, result: result.clone(), peer: None })
}

/// A `CreateTaskResult` under the id that the client knows.
pub fn created_as(result: &Raw, id: &str) -> Raw {
    let Ok(object) = result.object() else { return result.clone() };
    let Some(task) = object.get("task") else { return result.clone() };
    related_to(&object.edit().set("task", named(&task, id)).finish(), id)
}

/// A task, in an answer or a notification, under the id that the client knows.
pub fn named(task: &Raw, id: &str) -> Raw {
    match task.object() {
        Ok(object) if object.has("taskId") => related_to(&object.edit().set("taskId", Raw::string(id)).finish(), id),
        _ => related_to(task, id),
    }
}

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether its server works on it; otherwise it wants input or is over.
    pub is_working: bool,
    /// After how long to ask again, if the server says.
    pub poll_after: Option<Duration>,
}

/// Reads how a task stands. `None` when it is no task.
pub fn standing(task: &Raw) -> Option<Standing> {
    let task = task.object().ok()?;
    let poll_after = task.get("pollInterval").and_then(|interval| interval.unsigned()).map(Duration::from_millis);
    Some(Standing { is_working: task.text("status")? == "working", poll_after })
}

/// A request of the gateway's own about a task.
pub fn ask(act: TaskAct, id: &str) -> Outgoing {
    let params = meta::of_gateway(&[("taskId", Raw::string(id))]);
    Outgoing { method: act.method().into(), params: Some(params), headers: Vec::new() }
}

/// The parameter that makes a call a task.
pub fn wish(ttl: Duration) -> Raw {
    let milliseconds = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    meta::of_gateway(&[("ttl", Raw::from_value(&milliseconds))])
}

/// The task to which a message belongs: of its parameters, or its result.
pub fn related(message: &Raw) -> Option<String> {
    // Hardly any message names one.
    memchr::memmem::find(message.bytes(), b"related-task")?;
    message.member("_meta")?.member(RELATED)?.member("taskId")?.text().map(std::borrow::Cow::into_owned)
}

/// The same message belonging to the task by another id, if it belongs to one.
pub fn related_to(message: &Raw, id: &str) -> Raw {
    change_related(message, |own_meta, related| own_meta.edit().set(RELATED, related_as(related, id)).finish())
}

/// Progress of a task after the answer to the call that made it, under that call's token.
pub fn progress(params: &Raw, id: &str, token: Raw) -> Raw {
    let params = related_to(params, id);
    params.object().map_or_else(|_| params.clone(), |object| object.edit().set(meta::PROGRESS_TOKEN, token).finish())
}

/// The same message belonging to no task.
pub fn unrelated(message: &Raw) -> Raw {
    change_related(message, |own_meta, _| own_meta.edit().remove(RELATED).finish())
}

fn related_as(related: &Raw, id: &str) -> Raw {
    related.object().map_or_else(|_| related.clone(), |object| object.edit().set("taskId", Raw::string(id)).finish())
}

fn change_related(message: &Raw, change: impl FnOnce(&Object, &Raw) -> Raw) -> Raw {
    let changed = || {
        memchr::memmem::find(message.bytes(), b"related-task")?;
        let object = message.object().ok()?;
        let own_meta = object.get("_meta")?.object().ok()?;
        let changed = change(&own_meta, &own_meta.get(RELATED)?);
        let edit = object.edit();
        Some(if changed.as_str() == "{}" { edit.remove("_meta") } else { edit.set("_meta", changed) }.finish())
    };
    changed().unwrap_or_else(|| message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_where_it_is_nested_and_named_anew() {
        let result = Raw::literal(
            r#"{"task":{"taskId":"t","status":"working","ttl":60000,"x":1.10},"_meta":{"io.modelcontextprotocol/model-immediate-response":"soon"}}"#,
        );
        let task = created(&result).unwrap();
        assert_eq!((task.id.as_str(), task.ttl), ("t", Some(Duration::from_secs(60))));
        assert_eq!(created_as(&result, "sealed").as_str(), result.as_str().replace(r#""t""#, r#""sealed""#));
        assert!(created(&Raw::literal(r#"{"content":[]}"#)).is_none());
    }

    #[test]
    fn what_belongs_to_a_task_says_so_by_the_other_id() {
        let message = Raw::literal(
            r#"{"n":1.0,"_meta":{"a":1,"io.modelcontextprotocol/related-task":{"taskId":"t","more":[]}}}"#,
        );
        assert_eq!(related(&message).as_deref(), Some("t"));
        assert_eq!(related_to(&message, "s").as_str(), message.as_str().replace(r#""t""#, r#""s""#));
        assert_eq!(unrelated(&message).as_str(), r#"{"n":1.0,"_meta":{"a":1}}"#);
        let only = Raw::literal(r#"{"content":[],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}"#);
        assert_eq!(unrelated(&only).as_str(), r#"{"content":[]}"#);
        let none = Raw::literal(r#"{"text":"related-task","_meta":{}}"#);
        assert_eq!((related(&none), related_to(&none, "s")), (None, none));
    }

    #[test]
    fn tells_work_from_everything_else() {
        let standing = |text| standing(&Raw::literal(text));
        let working = standing(r#"{"taskId":"t","status":"working","pollInterval":50}"#).unwrap();
        assert_eq!(working, Standing { is_working: true, poll_after: Some(Duration::from_millis(50)) });
        for status in ["input_required", "completed", "failed", "cancelled"] {
            let text = Raw::from_value(&serde_json::json!({ "status": status }));
            assert!(!super::standing(&text).unwrap().is_working);
        }
        assert_eq!(standing("{}"), None);
    }
}
