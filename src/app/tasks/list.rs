//! `tasks/list` of 2025-11-25: the caller's own tasks, each as its server shows it now.
//!
//! A server's own list is not asked for: behind a shared credential it may have everybody's tasks.

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::{
    app::endpoint::Endpoint,
    era::{INVALID_PARAMS, legacy},
    jsonrpc::{self, Object, Raw},
    mcp::{Call, Event, Fault, Outcome, Params, Reply, TaskAct},
    seal::Purpose,
};

use super::{book::Remembered, carry::task_errand};

/// Tasks on a page: each is a request to its server.
const PAGE: usize = 20;

/// A place in the list, as it passes through a client's hands.
#[derive(Serialize, Deserialize)]
struct Cursor {
    list: String,
    after: u64,
}

impl Endpoint {
    /// One page of the caller's tasks.
    pub(in crate::app) async fn list_tasks(&self, call: &Call, cursor: Option<&str>) -> Outcome {
        if !self.offers_tasks(&call.caller).await {
            return Outcome::Failed(Fault::UnknownMethod("tasks/list".to_owned()));
        }
        let after = match cursor.map(|cursor| self.task_place(cursor)) {
            Some(None) => return Outcome::Failed(Fault::BadCursor),
            after => after.flatten(),
        };
        let page =
            self.book.page(&call.caller, after, |address| self.task_member(&call.caller, address).is_some(), PAGE);
        let next = page.last().filter(|_| page.len() == PAGE).and_then(|(place, _)| self.task_cursor(*place));
        let mut asking = JoinSet::new();
        for (place, (_, task)) in page.into_iter().enumerate() {
            if let Some(reply) = self.look_at(call, &task).await {
                asking.spawn(async move { (place, end(reply).await, task) });
            }
        }
        let mut shown = Vec::with_capacity(PAGE);
        while let Some(asked) = asking.join_next().await {
            match asked {
                Ok((place, Outcome::Complete(result), task)) => {
                    shown.push((place, legacy::task::named(&result, &task.id)));
                }
                Ok((_, Outcome::Failed(Fault::Upstream(error)), task)) if error.code == INVALID_PARAMS => {
                    self.book.forget(&call.caller, &task.address);
                }
                _ => (),
            }
        }
        shown.sort_by_key(|(place, _)| *place);
        Outcome::Complete(listed(shown.into_iter().map(|(_, task)| task), next.as_deref()))
    }

    /// Asks how a task stands.
    async fn look_at(&self, call: &Call, task: &Remembered) -> Option<Reply> {
        let group = self.task_member(&call.caller, &task.address)?.upstream.group(&call.caller).await.ok()?;
        let errand = task_errand(call, TaskAct::Get, Params::default(), &task.address);
        let absent = || Fault::UnknownTarget("task", task.id.to_string());
        let errand = self.permit_task(call, &task.address, absent, errand).ok()?;
        Some(Reply::script(move |stage| async move { group.carry(errand, stage).await }))
    }

    fn task_list_name(&self) -> String {
        format!("{} tasks/list", self.path)
    }

    fn task_place(&self, cursor: &str) -> Option<u64> {
        let content = self.ring.open(Purpose::Cursor, cursor).ok()?;
        let cursor: Cursor = serde_json::from_slice(&content).ok()?;
        (cursor.list == self.task_list_name()).then_some(cursor.after)
    }

    fn task_cursor(&self, after: u64) -> Option<String> {
        let cursor = Cursor { list: self.task_list_name(), after };
        self.ring.seal(Purpose::Cursor, &serde_json::to_vec(&cursor).ok()?).ok()
    }
}

/// What is asked of a task on the way is nobody's here.
async fn end(mut reply: Reply) -> Outcome {
    loop {
        if let Event::End(outcome) = reply.next().await {
            return outcome;
        }
    }
}

fn listed(tasks: impl Iterator<Item = Raw>, next: Option<&str>) -> Raw {
    let empty = Object::default();
    let edit = empty.edit().set("tasks", jsonrpc::array(tasks));
    match next {
        Some(next) => edit.set("nextCursor", Raw::string(next)).finish(),
        None => edit.finish(),
    }
}
