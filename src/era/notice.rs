//! Notifications that both eras share, decoded and encoded. The names did not change between them.

use std::str::FromStr;

use crate::{
    jsonrpc::{Id, Raw},
    mcp::{Filter, Level, ListKind, Notice, TaskForm, TaskNotice},
};

use super::{Incoming, meta};

/// A notification from an upstream. `None` for those that mean nothing here.
pub(super) fn decode(method: &str, params: Option<Raw>) -> Option<Incoming> {
    let object = meta::object_or_empty(params.as_ref());
    let own_meta = object.get("_meta").and_then(|meta| meta.object().ok());
    let subscription = own_meta.and_then(|own| own.get(meta::SUBSCRIPTION_ID));
    // It is the gateway's own subscription: no client of either era has one of that name.
    let params = if subscription.is_some() { params.map(meta::without_subscription) } else { params };
    let notice = match method {
        "notifications/progress" => return Some(Incoming::Progress(object.get(meta::PROGRESS_TOKEN)?, params?)),
        "notifications/cancelled" => return Id::parse(object.get("requestId")?).map(Incoming::Cancelled),
        "notifications/message" => Notice::Log(Level::from_str(&object.text("level")?).ok()?, params?),
        "notifications/tools/list_changed" => Notice::Changed(ListKind::Tools),
        "notifications/prompts/list_changed" => Notice::Changed(ListKind::Prompts),
        "notifications/resources/list_changed" => Notice::Changed(ListKind::Resources),
        "notifications/elicitation/complete" => Notice::Elicited(params?, None),
        "notifications/resources/updated" => Notice::Updated(object.text("uri")?, params?),
        "notifications/subscriptions/acknowledged" => {
            Notice::Acknowledged(Filter::parse(&object.get("notifications")?.object().ok()?)?)
        }
        "notifications/tasks" => task(TaskForm::Extension, object.text("taskId")?, params?),
        "notifications/tasks/status" => task(TaskForm::Core, object.text("taskId")?, params?),
        _ => Notice::Extension(method.to_owned(), params),
    };
    Some(Incoming::Notice(notice, subscription))
}

const fn task(form: TaskForm, id: String, params: Raw) -> Notice {
    Notice::Task(TaskNotice { form, id, params })
}

/// The method and parameters of a notice for a client; progress gets the client's own token. `None` for what is not told.
pub(super) fn encode(notice: &Notice, progress_token: Option<&Raw>) -> Option<(String, Option<Raw>)> {
    let (method, params) = match notice {
        Notice::Progress(params) => {
            let params = params.object().ok()?.edit().set(meta::PROGRESS_TOKEN, progress_token?.clone()).finish();
            ("notifications/progress", Some(params))
        }
        Notice::Log(_, params) => ("notifications/message", Some(params.clone())),
        Notice::Changed(kind) => (changed_method(*kind), None),
        Notice::Elicited(params, _) => ("notifications/elicitation/complete", Some(params.clone())),
        Notice::Updated(_, params) => ("notifications/resources/updated", Some(params.clone())),
        Notice::Task(TaskNotice { form: TaskForm::Extension, params, .. }) => {
            ("notifications/tasks", Some(params.clone()))
        }
        Notice::Task(TaskNotice { params, .. }) => ("notifications/tasks/status", Some(params.clone())),
        Notice::Acknowledged(filter) => {
            let notifications = filter.to_raw();
            ("notifications/subscriptions/acknowledged", Some(meta::of_gateway(&[("notifications", notifications)])))
        }
        Notice::Extension(method, params) => return Some((method.clone(), params.clone())),
        Notice::Interrupted => return None,
    };
    Some((method.to_owned(), params))
}

/// Templates have no notification of their own: they change with the resources.
const fn changed_method(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Tools => "notifications/tools/list_changed",
        ListKind::Prompts => "notifications/prompts/list_changed",
        ListKind::Resources | ListKind::Templates => "notifications/resources/list_changed",
    }
}
