//! Calls that become tasks, and what is asked of those: by the sealed id to the server and the peer that know it.

use std::sync::Arc;

use crate::{
    app::{
        endpoint::{Endpoint, Member},
        plain::plain_errand,
    },
    jsonrpc::Raw,
    mcp::{Call, Caller, Fault, NewTask, Outcome, Reply, Stage, TaskAct, TaskCall, TaskForm},
    route::task::TaskAddress,
    upstream::{Errand, Tasking},
};

use super::{book::Remembered, label};

impl Endpoint {
    /// Gives a task that a server made the id under which its owner will know it.
    pub(in crate::app) fn adopt(&self, call: &Call, server: &Arc<str>, params: &Raw, task: NewTask) -> Outcome {
        let caller = &call.caller;
        let address = TaskAddress { server: server.clone(), id: task.id.clone(), peer: task.peer.clone() };
        let Some(id) = address.seal(&self.ring, caller, task.ttl) else { return Outcome::Failed(Fault::Internal) };
        let form = caller.capabilities.tasks;
        if form == TaskForm::Core {
            let progress_token = params.member("_meta").and_then(|own_meta| own_meta.member("progressToken"));
            self.remember(caller, address, &id, progress_token);
        }
        Outcome::Task(label::created(form, task, &id))
    }

    fn remember(&self, caller: &Caller, address: TaskAddress, id: &str, progress_token: Option<Raw>) {
        let session = caller.session.clone();
        self.book.remember(caller, Remembered { address, id: id.into(), session, progress_token });
    }

    /// Carries a request about a task.
    pub(in crate::app) async fn task(&self, call: &Call, task: &TaskCall, stage: Stage) -> Outcome {
        let address = TaskAddress::open(&self.ring, &task.id, &call.caller);
        let known = address.and_then(|address| Some((self.task_member(&address)?, address)));
        match known {
            Some((member, address)) => self.ask_task(call, task, member, address, stage).await,
            None if self.offers_tasks(&call.caller).await => {
                Outcome::Failed(Fault::UnknownTarget("task", task.id.clone()))
            }
            None => Outcome::Failed(Fault::UnknownMethod(task.act.method().to_owned())),
        }
    }

    pub(super) fn task_member(&self, address: &TaskAddress) -> Option<&Member> {
        self.members.iter().find(|member| *member.upstream.name() == address.server)
    }

    async fn ask_task(
        &self,
        call: &Call,
        task: &TaskCall,
        member: &Member,
        address: TaskAddress,
        stage: Stage,
    ) -> Outcome {
        let group = match member.upstream.group(&call.caller).await {
            Ok(group) => group,
            Err(fault) => return Outcome::Failed(fault),
        };
        let _admission = match self.limits.route(call, group.server(), None).decided().await {
            Ok(admission) => admission,
            Err(fault) => return Outcome::Failed(fault),
        };
        call.trace.goes_to(group.server());
        let form = call.caller.capabilities.tasks;
        if form == TaskForm::Core {
            self.remember(&call.caller, address.clone(), &task.id, None);
        }
        let params = label::renamed(&task.params, &task.id, &address.id);
        let asker = self.asker(group.server());
        let errand = Errand { asker, ..task_errand(call, task.act, Some(params), &address) };
        let outcome = match task.act {
            TaskAct::Result => {
                let reply = Reply::script(move |inner| async move { group.carry(errand, inner).await });
                label::relabelled(reply, &stage, &address.id, &task.id).await
            }
            TaskAct::Get | TaskAct::Update | TaskAct::Cancel => group.carry(errand, stage).await,
        };
        label::outcome(form, task.act, outcome, &address.id, &task.id)
    }

    /// Whether a server of this endpoint offers tasks in the form that the caller speaks.
    pub(super) async fn offers_tasks(&self, caller: &Arc<Caller>) -> bool {
        let form = caller.capabilities.tasks;
        if form == TaskForm::Unspoken {
            return false;
        }
        let greetings = self.each(caller, |group| async move { group.greeting().await }).await;
        greetings.iter().flatten().any(|greeting| greeting.offer.offers_tasks(form))
    }
}

/// A request about a task, by the server's own id.
pub(super) fn task_errand(call: &Call, act: TaskAct, params: Option<Raw>, address: &TaskAddress) -> Errand {
    let changes = vec![("taskId", Some(Raw::string(&address.id)))];
    let tasking = Tasking::About(act, address.id.as_str().into(), address.peer.clone());
    Errand { tasking, ..plain_errand(call, act.method(), params, changes) }
}
