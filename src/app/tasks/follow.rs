//! What servers say of tasks without being asked, told to the tasks' owners only and by the ids that they know.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    app::endpoint::Endpoint,
    era::{legacy, modern},
    jsonrpc::Raw,
    mcp::{Caller, Fault, Notice, TaskForm, TaskNotice},
    route::task::TaskAddress,
    upstream::{TaskListening, Upstream},
};

use super::book::{Book, Remembered};

/// Tasks of a modern server that one listener asked for.
pub(in crate::app) struct Followed {
    upstream: Arc<Upstream>,
    peer: Option<Arc<str>>,
    /// The listener's ids by the server's.
    ids: HashMap<String, String>,
}

/// What one listener hears of its tasks.
pub(in crate::app) struct Following {
    listening: TaskListening,
    ids: HashMap<String, String>,
}

impl Endpoint {
    /// The tasks that these ids name to the caller, by who knows them. What they do not name is left out.
    pub(in crate::app) fn followed(&self, caller: &Caller, ids: &[String]) -> Vec<Followed> {
        let mut all: BTreeMap<(Arc<str>, Option<Arc<str>>), Followed> = BTreeMap::new();
        for id in ids {
            let Some(address) = TaskAddress::open(&self.ring, id, caller) else { continue };
            let Some(member) = self.task_member(caller, &address) else { continue };
            let TaskAddress { server, id: own, peer, .. } = address;
            let new = || Followed { upstream: member.upstream.clone(), peer: peer.clone(), ids: HashMap::new() };
            all.entry((server, peer.clone())).or_insert_with(new).ids.insert(own, id.clone());
        }
        all.into_values().collect()
    }
}

impl Followed {
    /// Starts to listen.
    pub(in crate::app) async fn listen(&self, caller: &Arc<Caller>) -> Result<Following, Fault> {
        let group = self.upstream.group(caller).await?;
        let own: Vec<String> = self.ids.keys().cloned().collect();
        let listening = group.listen_tasks(caller, &own, self.peer.as_deref()).await?;
        Ok(Following { listening, ids: self.ids.clone() })
    }
}

impl Following {
    /// The ids of the tasks that are heard of.
    pub(in crate::app) fn granted(&self) -> Vec<String> {
        self.listening.granted.iter().filter_map(|own| self.ids.get(own).cloned()).collect()
    }

    /// How the next task stands. `None` when the server ended the subscription.
    ///
    /// # Cancel safety
    /// No notice is lost.
    pub(in crate::app) async fn next(&mut self) -> Option<Notice> {
        loop {
            let TaskNotice { form, id, params } = self.listening.next().await?;
            if let Some(id) = self.ids.get(&id) {
                let params = modern::task::named(&params, id);
                return Some(Notice::Task(TaskNotice { form, id: id.clone(), params }));
            }
        }
    }
}

/// What a server tells everybody, as this caller hears it. `None` when it is of a task that is not theirs.
pub(in crate::app) fn heard(book: &Book, caller: &Caller, server: &str, notice: Notice) -> Option<Notice> {
    let own = |id: &str| book.find(caller, server, id).filter(|task| task.session == caller.session);
    match notice {
        Notice::Task(TaskNotice { form: TaskForm::Core, id, params }) => {
            let task = own(&id)?;
            let params = legacy::task::named(&params, &task.id);
            Some(Notice::Task(TaskNotice { form: TaskForm::Core, id: task.id.to_string(), params }))
        }
        Notice::Task(_) => None,
        Notice::Progress(params) => progress(&own(&legacy::task::related(&params)?)?, &params),
        Notice::Log(level, params) => match legacy::task::related(&params) {
            Some(id) => Some(Notice::Log(level, legacy::task::related_to(&params, &own(&id)?.id))),
            None => Some(Notice::Log(level, params)),
        },
        notice => Some(notice),
    }
}

/// Progress of a task whose call was answered long ago: under the token that the call had.
fn progress(task: &Remembered, params: &Raw) -> Option<Notice> {
    let token = task.progress_token.clone()?;
    Some(Notice::Extension("notifications/progress".to_owned(), Some(legacy::task::progress(params, &task.id, token))))
}
