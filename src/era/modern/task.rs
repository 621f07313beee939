//! Tasks as the extension `io.modelcontextprotocol/tasks` of 2026-07-28 writes them.
//!
//! Source: the extension's Polymorphic Results, Task Creation, Status Notifications.

use std::time::Duration;

use crate::{
    jsonrpc::{ErrorObject, Object, Raw},
    mcp::{Fault, NewTask, Outcome},
};

/// The task of a `CreateTaskResult`. `None` when it names none.
pub(super) fn created(result: &Object) -> Option<NewTask> {
    let ttl = result.get("ttlMs").and_then(|ttl| ttl.unsigned()).map(Duration::from_millis);
    Some(NewTask { id: result.text("taskId")?, ttl, result: result.raw().clone(), peer: None })
}

/// How a request about a task ended. Servers after the extension's own examples say `task` here, its text says `complete`. `None` when
/// it is no result of this revision.
pub fn outcome(answer: Result<Raw, ErrorObject>) -> Option<Outcome> {
    let result = match answer {
        Ok(result) => result,
        Err(error) => return Some(Outcome::Failed(Fault::Upstream(error))),
    };
    let object = result.object().ok()?;
    match object.text("resultType").as_deref() {
        None | Some("complete" | "task") => {
            Some(Outcome::Complete(object.edit().set("resultType", Raw::literal("\"complete\"")).finish()))
        }
        Some(_) => None,
    }
}

/// A task, in an answer or a notification, under the id that the client knows.
pub fn named(task: &Raw, id: &str) -> Raw {
    match task.object() {
        Ok(object) if object.has("taskId") => object.edit().set("taskId", Raw::string(id)).finish(),
        _ => task.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_and_named_anew_with_every_other_byte_as_it_was() {
        let result = Raw::literal(
            r#"{"resultType":"task","taskId":"t","ttlMs":60000,"x":1.10,"result":{"taskId":"t","content":[]}}"#,
        );
        let task = created(&result.object().unwrap()).unwrap();
        assert_eq!((task.id.as_str(), task.ttl), ("t", Some(Duration::from_secs(60))));
        assert_eq!(
            named(&result, "sealed").as_str(),
            r#"{"resultType":"task","taskId":"sealed","ttlMs":60000,"x":1.10,"result":{"taskId":"t","content":[]}}"#
        );
        let ever = Raw::literal(r#"{"taskId":"t","ttlMs":null}"#);
        assert_eq!(created(&ever.object().unwrap()).unwrap().ttl, None);
    }

    #[test]
    fn an_answer_about_a_task_is_complete_whatever_it_calls_itself() {
        for (text, expected) in [
            (r#"{"resultType":"task","taskId":"t"}"#, Some(r#"{"resultType":"complete","taskId":"t"}"#)),
            (r#"{"taskId":"t"}"#, Some(r#"{"taskId":"t","resultType":"complete"}"#)),
            (r#"{"resultType":"input_required"}"#, None),
        ] {
            let outcome = outcome(Ok(Raw::literal(text))).map(|outcome| match outcome {
                Outcome::Complete(result) => result.as_str().to_owned(),
                other => format!("{other:?}"),
            });
            assert_eq!(outcome.as_deref(), expected, "{text}");
        }
    }
}
