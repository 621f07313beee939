//! Calls that go to one server: found by name or URI, permitted, carried.

use std::sync::Arc;

use crate::{
    era::HEADER_MISMATCH,
    jsonrpc::Raw,
    mcp::{
        Call, Caller, Completion, Fault, Invoke, ListKind, Mirror, Mirrored, Outcome, Reference, Stage, TaskForm,
        TaskSupport, Verb,
    },
    policy::{self, Permitted},
    upstream::{Errand, Group, Tasking},
};

use super::{
    endpoint::{Endpoint, Member},
    plain::plain_errand,
};

/// Where a call goes.
struct Destination {
    group: Arc<Group>,
    own: Box<str>,
    mirror: Mirror,
    support: TaskSupport,
}

impl Endpoint {
    /// Carries one of the three methods that may need input.
    pub(super) async fn invoke(&self, call: &Call, invoke: &Invoke, stage: Stage) -> Outcome {
        let mut admission = None;
        for attempt in 0.. {
            let destination = match self.destination(&call.caller, invoke.verb, &invoke.target).await {
                Ok(destination) => destination.into_inner(),
                Err(fault) => return Outcome::Failed(fault),
            };
            if let Err(reason) = check_mirrored(&call.mirrored, &destination.mirror, invoke) {
                return Outcome::Failed(Fault::HeaderMismatch(reason));
            }
            if admission.is_none() && !is_further_round(call, invoke) {
                let tool = (invoke.verb == Verb::CallTool).then_some(&*invoke.target);
                match self.limits.route(call, destination.group.server(), tool).decided().await {
                    Ok(places) => admission = Some(places),
                    Err(fault) => return Outcome::Failed(fault),
                }
            }
            call.trace.goes_to(destination.group.server());
            if *destination.own != *invoke.target {
                call.trace.goes_by(&destination.own);
            }
            let (errand, support) = match errand(call, invoke, &destination).await {
                Ok(errand) => errand,
                Err(fault) => return Outcome::Failed(fault),
            };
            let errand = Errand { asker: self.asker(destination.group.server()), ..errand };
            let outcome = destination.group.carry_tool(errand, support, stage.clone()).await;
            if let Outcome::Task(task) = outcome {
                return self.adopt(call, destination.group.server(), &invoke.params, task);
            }
            if attempt > 0 || !is_header_mismatch(&outcome) {
                return outcome;
            }
            // The tool's header annotations changed: read them anew, once (2026-07-28 streamable-http, Client Behavior).
            let _ = destination.group.list_again(ListKind::Tools).await;
        }
        Outcome::Failed(Fault::Internal)
    }

    /// Who asks when this server does: to be said only where there are several.
    pub(super) fn asker(&self, server: &Arc<str>) -> Option<Arc<str>> {
        (self.members.len() > 1).then(|| server.clone())
    }

    async fn destination(
        &self,
        caller: &Arc<Caller>,
        verb: Verb,
        target: &str,
    ) -> Result<Permitted<Destination>, Fault> {
        match verb {
            Verb::CallTool | Verb::GetPrompt => self.named(caller, verb, target).await,
            Verb::ReadResource => self.located(caller, target).await.map(policy::permit),
        }
    }

    /// A tool or prompt by its name on this endpoint.
    async fn named(&self, caller: &Arc<Caller>, verb: Verb, name: &str) -> Result<Permitted<Destination>, Fault> {
        let kind = verb.list();
        if let Some(found) = self.find_named(caller, kind, name) {
            return found;
        }
        // Not in the lists that are there: ask again, but only the server whose prefix the name has.
        match self.by_prefix(name).filter(|_| self.prefixed) {
            Some((place, _)) => {
                if let Some(member) = self.members.get(place) {
                    member.upstream.group(caller).await?.list_again(kind).await?;
                }
            }
            None => self.gather_again(caller, kind).await?,
        }
        self.find_named(caller, kind, name).unwrap_or_else(|| Err(unknown(verb, name)))
    }

    /// Reads the lists again; on an endpoint with one server its failure is the caller's answer.
    async fn gather_again(&self, caller: &Arc<Caller>, kind: ListKind) -> Result<(), Fault> {
        match self.members.as_slice() {
            [only] => only.upstream.group(caller).await?.list_again(kind).await.map(drop),
            _ => {
                self.gather(caller, kind).await;
                Ok(())
            }
        }
    }

    fn find_named(&self, caller: &Caller, kind: ListKind, name: &str) -> Option<Result<Permitted<Destination>, Fault>> {
        let joined = self.join(kind, &self.stocks_now(caller, kind));
        let entry = joined.index.find(name)?;
        let member = self.members.get(entry.part)?;
        let group = member.upstream.group_now(caller)?;
        let destination =
            Destination { group, own: entry.own.clone(), mirror: entry.mirror.clone(), support: entry.support };
        Some(match kind {
            ListKind::Tools => policy::permit_tool(&member.filter, &entry.own, name, destination),
            _ => Ok(policy::permit(destination)),
        })
    }

    /// A resource by its URI: listed, made by a template, or on an endpoint with one server whatever that server knows.
    async fn located(&self, caller: &Arc<Caller>, uri: &str) -> Result<Destination, Fault> {
        if let [only] = self.members.as_slice() {
            return reach(only, caller, uri).await;
        }
        for attempt in 0..2 {
            if attempt > 0 {
                tokio::join!(self.gather(caller, ListKind::Resources), self.gather(caller, ListKind::Templates));
            }
            let resources = self.join(ListKind::Resources, &self.stocks_now(caller, ListKind::Resources));
            let templates = self.join(ListKind::Templates, &self.stocks_now(caller, ListKind::Templates));
            let owner = resources.index.find(uri).or_else(|| templates.index.find_template(uri));
            let owner = owner.map(|entry| entry.part).or_else(|| self.owner_of_ui(caller, uri));
            if let Some(member) = owner.and_then(|part| self.members.get(part)) {
                return reach(member, caller, uri).await;
            }
        }
        Err(Fault::ResourceNotFound(uri.to_owned()))
    }

    /// The server whose tool shows itself by this URI (MCP Apps): such resources need not be listed.
    fn owner_of_ui(&self, caller: &Caller, uri: &str) -> Option<usize> {
        if !uri.starts_with("ui://") {
            return None;
        }
        self.join(ListKind::Tools, &self.stocks_now(caller, ListKind::Tools)).index.find_ui(uri)
    }

    /// The place of the server that has a resource, for subscriptions.
    pub(super) async fn owner_of(&self, caller: &Arc<Caller>, uri: &str) -> Option<Arc<str>> {
        self.located(caller, uri).await.ok().map(|destination| destination.group.server().clone())
    }

    /// Carries a request for suggestions.
    pub(super) async fn complete(&self, call: &Call, completion: &Completion, stage: Stage) -> Outcome {
        let found = match &completion.reference {
            Reference::Prompt(name) => self.named(&call.caller, Verb::GetPrompt, name).await.map(Permitted::into_inner),
            Reference::Resource(uri) => self.located(&call.caller, uri).await,
        };
        let destination = match found {
            Ok(destination) => destination,
            Err(fault) => return Outcome::Failed(fault),
        };
        let _admission = match self.limits.route(call, destination.group.server(), None).decided().await {
            Ok(admission) => admission,
            Err(fault) => return Outcome::Failed(fault),
        };
        call.trace.goes_to(destination.group.server());
        let reference =
            completion.params.member("ref").and_then(|reference| reference.object().ok()).unwrap_or_default();
        let reference = match &completion.reference {
            Reference::Prompt(_) => reference.edit().set("name", Raw::string(&destination.own)).finish(),
            Reference::Resource(_) => reference.raw().clone(),
        };
        let params = Some(completion.params.clone());
        let errand = plain_errand(call, "completion/complete", params, vec![("ref", Some(reference))]);
        destination.group.carry(errand, stage).await
    }
}

/// Whether the gateway repeats a call with its client's answers: clients with a session cannot, and called once. The others repeat
/// calls themselves, as often as they like, so that each counts.
fn is_further_round(call: &Call, invoke: &Invoke) -> bool {
    call.caller.session.is_some() && (invoke.state.is_some() || invoke.answers.is_some())
}

async fn reach(member: &Member, caller: &Caller, uri: &str) -> Result<Destination, Fault> {
    let group = member.upstream.group(caller).await?;
    Ok(Destination { group, own: uri.into(), mirror: Mirror::default(), support: TaskSupport::default() })
}

fn unknown(verb: Verb, name: &str) -> Fault {
    match verb {
        Verb::CallTool => Fault::UnknownTarget("tool", name.to_owned()),
        Verb::GetPrompt => Fault::UnknownTarget("prompt", name.to_owned()),
        Verb::ReadResource => Fault::ResourceNotFound(name.to_owned()),
    }
}

fn check_mirrored(mirrored: &Mirrored, mirror: &Mirror, invoke: &Invoke) -> Result<(), String> {
    match mirrored {
        Mirrored::Headers(headers) if !mirror.is_empty() => {
            mirror.check(invoke.params.member("arguments").as_ref(), headers)
        }
        _ => Ok(()),
    }
}

fn is_header_mismatch(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(Fault::Upstream(error)) if error.code == HEADER_MISMATCH)
}

/// The request, and whether it must become a task without its client's doing.
async fn errand(call: &Call, invoke: &Invoke, destination: &Destination) -> Result<(Errand, TaskSupport), Fault> {
    let mut changes = Vec::new();
    if *destination.own != *invoke.target {
        changes.push((invoke.verb.key(), Some(Raw::string(&destination.own))));
    }
    changes.push(("inputResponses", invoke.answers.clone()));
    changes.push(("requestState", invoke.state.as_deref().map(Raw::string)));
    let mut tasking = Tasking::Nothing;
    // A server without the capability does not get to see the wish (2025-11-25 basic/utilities/tasks, Task Support and Handling).
    if let Some(task) = &invoke.task
        && call.caller.capabilities.tasks == TaskForm::Core
        && destination.group.greeting().await?.offer.tasks
    {
        changes.push(("task", Some(task.clone())));
        tasking = Tasking::Wished;
    }
    // Whoever knows that form of tasks is told by the server that the tool needs one; for the others the gateway waits.
    let support = match call.caller.capabilities.tasks {
        TaskForm::Core => TaskSupport::NotRequired,
        TaskForm::Unspoken | TaskForm::Extension => destination.support,
    };
    let errand = plain_errand(call, invoke.verb.method(), Some(invoke.params.clone()), changes);
    Ok((Errand { verb: Some(invoke.verb), mirror: destination.mirror.clone(), tasking, ..errand }, support))
}
