//! Tasks: calls that go on after their answer, and what a client asks of them later.
//!
//! There are two forms that do not understand each other: the experimental part of 2025-11-25 and the extension of 2026-07-28. A client
//! speaks one of them or none, and so does a server; a declaration in one never stands for the other.

use std::{sync::Arc, time::Duration};

use crate::jsonrpc::{Object, Raw};

/// The extension's name among `extensions` of either side's capabilities.
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// In which form a side speaks of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TaskForm {
    /// Not at all.
    #[default]
    Unspoken,
    /// As 2025-11-25 does: the client asks for a task.
    Core,
    /// As the extension of 2026-07-28 does: the server makes one if it likes.
    Extension,
}

/// What a client asks of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskAct {
    /// How it stands.
    Get,
    /// What came of it (2025-11-25).
    Result,
    /// To take answers to its questions (2026-07-28).
    Update,
    /// To stop.
    Cancel,
}

impl TaskAct {
    /// The method.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Get => "tasks/get",
            Self::Result => "tasks/result",
            Self::Update => "tasks/update",
            Self::Cancel => "tasks/cancel",
        }
    }

    /// Reads a method; each form has its own.
    pub fn parse(form: TaskForm, method: &str) -> Option<Self> {
        let own = match form {
            TaskForm::Unspoken => return None,
            TaskForm::Core => Self::Result,
            TaskForm::Extension => Self::Update,
        };
        [Self::Get, Self::Cancel, own].into_iter().find(|act| act.method() == method)
    }
}

/// A request about a task.
#[derive(Clone, Debug)]
pub struct TaskCall {
    /// What is asked.
    pub act: TaskAct,
    /// The task, by the id that the client has.
    pub id: String,
    /// The parameters as they came.
    pub params: Raw,
}

/// A task that a server made in answer to a call.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// The server's own id.
    pub id: String,
    /// How long the server keeps it; for ever if it says nothing.
    pub ttl: Option<Duration>,
    /// The whole answer as it came.
    pub result: Raw,
    /// The only peer that knows of it, where not all of a server do.
    pub peer: Option<Arc<str>>,
}

/// What a server tells of a task without being asked.
#[derive(Clone, Debug)]
pub struct TaskNotice {
    /// The form in which it is told.
    pub form: TaskForm,
    /// The task.
    pub id: String,
    /// The parameters as they came.
    pub params: Raw,
}

/// Whether a tool runs as a task: `execution.taskSupport` of 2025-11-25.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSupport {
    /// If the client likes, or never.
    #[default]
    NotRequired,
    /// Only so.
    Required,
}

impl TaskSupport {
    /// Reads it of a tool's entry.
    pub fn read(tool: &Object) -> Self {
        let support = tool.get("execution").and_then(|execution| execution.member("taskSupport"));
        if support.is_some_and(|support| support.as_str() == "\"required\"") {
            Self::Required
        } else {
            Self::NotRequired
        }
    }
}

/// The `extensions` of a declaration without the one for tasks. `None` when there is no other.
pub fn without_tasks(extensions: &Raw) -> Option<Raw> {
    let Ok(object) = extensions.object() else { return Some(extensions.clone()) };
    let others = object.edit().remove(TASKS_EXTENSION).finish();
    (others.as_str() != "{}").then_some(others)
}

/// The capability that a client lacks who asks for tasks without having declared them.
pub const fn tasks_required() -> Raw {
    Raw::literal(r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_methods_of_its_own() {
        assert_eq!(TaskAct::parse(TaskForm::Core, "tasks/result"), Some(TaskAct::Result));
        assert_eq!(TaskAct::parse(TaskForm::Extension, "tasks/result"), None);
        assert_eq!(TaskAct::parse(TaskForm::Extension, "tasks/update"), Some(TaskAct::Update));
        assert_eq!(TaskAct::parse(TaskForm::Core, "tasks/update"), None);
        assert_eq!(TaskAct::parse(TaskForm::Unspoken, "tasks/get"), None);
    }

    #[test]
    fn the_extension_is_taken_out_and_every_other_stays() {
        let both = Raw::literal(r#"{"a/b":{"n":1.0},"io.modelcontextprotocol/tasks":{}}"#);
        assert_eq!(without_tasks(&both).unwrap().as_str(), r#"{"a/b":{"n":1.0}}"#);
        assert_eq!(without_tasks(&Raw::literal(r#"{"io.modelcontextprotocol/tasks":{}}"#)), None);
    }

    #[test]
    fn only_required_is_required() {
        let support = |text| TaskSupport::read(&Raw::literal(text).object().unwrap());
        assert_eq!(support(r#"{"execution":{"taskSupport":"required"}}"#), TaskSupport::Required);
        assert_eq!(support(r#"{"execution":{"taskSupport":"optional"}}"#), TaskSupport::NotRequired);
        assert_eq!(support("{}"), TaskSupport::NotRequired);
    }
}
