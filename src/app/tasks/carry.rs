//! Calls that become tasks, and what is asked of those: by the sealed id to the server and the peer that know it.

use std::sync::Arc;

use smallvec::smallvec;

use crate::{
    app::{
        endpoint::{Endpoint, Member},
        plain::plain_errand,
        view,
    },
    jsonrpc::Raw,
    mcp::{Call, Caller, Fault, Invoke, ListKind, NewTask, Outcome, Params, Reply, Stage, TaskAct, TaskCall, TaskForm},
    policy::{Arguments, Permitted, Subject, Thing},
    route::task::TaskAddress,
    upstream::{Errand, Tasking},
};

use super::{book::Remembered, label};

impl Endpoint {
    /// Gives a task that a server made the id under which its owner will know it.
    pub(in crate::app) fn adopt(&self, call: &Call, server: &Arc<str>, invoke: &Invoke, task: NewTask) -> Outcome {
        let caller = &call.caller;
        let (id, peer, tool) = (task.id.clone(), task.peer.clone(), Some(invoke.target.as_str().into()));
        let address = TaskAddress { server: server.clone(), id, peer, tool };
        let Some(id) = address.seal(&self.ring, caller, task.ttl) else { return Outcome::Failed(Fault::Internal) };
        let form = caller.capabilities.tasks;
        if form == TaskForm::Core {
            let progress_token = invoke.params.own_meta().and_then(|own_meta| own_meta.get("progressToken"));
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
        let known = address.and_then(|address| Some((self.task_member(&call.caller, &address)?, address)));
        match known {
            Some((member, address)) => self.ask_task(call, task, member, address, stage).await,
            None if self.offers_tasks(&call.caller).await => {
                Outcome::Failed(Fault::UnknownTarget("task", task.id.clone()))
            }
            None => Outcome::Failed(Fault::UnknownMethod(task.act.method().to_owned())),
        }
    }

    /// The server that has a task, for callers who may call the tool that it is of.
    pub(super) fn task_member(&self, caller: &Caller, address: &TaskAddress) -> Option<&Member> {
        let member = self.members.iter().find(|member| *member.upstream.name() == address.server)?;
        self.of_task(caller, address, |subject| self.sees(caller, member, subject)).then_some(member)
    }

    /// Says something about the tool of a task, as it is listed now if it is.
    fn of_task<T>(&self, caller: &Caller, address: &TaskAddress, say: impl FnOnce(Subject<'_>) -> T) -> T {
        let Some(name) = address.tool.as_deref().filter(|_| !self.policies.are_none()) else {
            return say(Subject::Some(ListKind::Tools));
        };
        let joined = self.join(ListKind::Tools, &self.stocks_now(caller, ListKind::Tools));
        let is_its =
            |part: usize| self.members.get(part).is_some_and(|member| *member.upstream.name() == address.server);
        let mut candidates = joined.index.candidates(name);
        match candidates.find(|(_, entry)| is_its(entry.part)) {
            Some((_, entry)) => say(view::subject(&joined, entry)),
            None => say(Subject::Tool(Thing { name, own: name, entry: None, version: 0 })),
        }
    }

    /// Permits a request about a task: to whom the tool that it is of is permitted.
    pub(super) fn permit_task<T>(
        &self,
        call: &Call,
        address: &TaskAddress,
        absent: impl FnOnce() -> Fault,
        errand: T,
    ) -> Result<Permitted<T>, Fault> {
        self.of_task(&call.caller, address, |subject| {
            self.permit(call, (&address.server, subject), Arguments::NotSaid, absent, errand)
        })
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
        let asker = self.asker(&call.caller, group.server());
        let errand = Errand { asker, ..task_errand(call, task.act, Params::of(Some(&params)), &address) };
        let absent = || Fault::UnknownTarget("task", task.id.clone());
        let errand = match self.permit_task(call, &address, absent, errand) {
            Ok(errand) => errand,
            Err(fault) => return Outcome::Failed(fault),
        };
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
        let seen = |member: &Member| self.sees_some(caller, member, ListKind::Tools);
        let greetings = self.each(caller, seen, |group| async move { group.greeting().await }).await;
        greetings.iter().flatten().any(|greeting| greeting.offer.offers_tasks(form))
    }
}

/// A request about a task, by the server's own id.
pub(super) fn task_errand(call: &Call, act: TaskAct, params: Params, address: &TaskAddress) -> Errand {
    let changes = smallvec![("taskId", Some(Raw::string(&address.id)))];
    let tasking = Tasking::About(act, address.id.as_str().into(), address.peer.clone());
    Errand { tasking, ..plain_errand(call, act.method().into(), params, changes) }
}
