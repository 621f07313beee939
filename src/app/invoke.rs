//! Calls that go to one server: found by name or URI, permitted, carried.

use std::sync::Arc;

use smallvec::smallvec;

use crate::{
    era::HEADER_MISMATCH,
    jsonrpc::Raw,
    mcp::{
        Call, Caller, Completion, Fault, Invoke, ListKind, Mirror, Mirrored, Outcome, Params, Reference, Stage,
        TaskForm, TaskSupport, UpstreamFault, Verb,
    },
    policy::{Arguments, Permitted, Subject},
    upstream::{Changes, Content, Errand, Group, Tasking},
};

use super::{
    connect::is_unconnected,
    endpoint::{Endpoint, Joined, Member},
    locate::Owner,
    plain::plain_errand,
    view,
};

/// Where a call goes.
struct Destination {
    group: Arc<Group>,
    own: Arc<str>,
    mirror: Mirror,
    support: TaskSupport,
    tool: Option<Raw>,
}

/// A tool or prompt that the caller sees.
struct Found {
    joined: Arc<Joined>,
    place: usize,
    group: Arc<Group>,
}

impl Endpoint {
    /// Carries one of the three methods that may need input.
    pub(super) async fn invoke(&self, call: &Call, invoke: &Invoke, stage: Stage) -> Outcome {
        let mut admission = None;
        for attempt in 0.. {
            let permitted = match self.destination(call, invoke).await {
                Ok(permitted) => permitted,
                Err(fault) => return Outcome::Failed(fault),
            };
            let destination = permitted.get();
            if !destination.group.takes(invoke.arguments.as_ref()) {
                return Outcome::Failed(Fault::InvalidParams("The arguments are larger than this server is sent"));
            }
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
            let (errand, support) = match errand(call, invoke, destination).await {
                Ok(errand) => errand,
                Err(fault) => return Outcome::Failed(fault),
            };
            let group = destination.group.clone();
            let errand = Errand { asker: self.asker(&call.caller, group.server()), ..errand };
            let outcome = group.carry_tool(permitted.map(|_| errand), support, stage.clone()).await;
            if let Outcome::Task(task) = outcome {
                return self.adopt(call, group.server(), invoke, task);
            }
            if attempt > 0 || !is_header_mismatch(&outcome) {
                return outcome;
            }
            // The tool's header annotations changed: read them anew, once (2026-07-28 streamable-http, Client Behavior).
            let _ = group.list_again(ListKind::Tools).await;
        }
        Outcome::Failed(Fault::Internal)
    }

    /// Who asks when this server does: to be said only where there are several that the caller knows of.
    pub(super) fn asker(&self, caller: &Caller, server: &Arc<str>) -> Option<Arc<str>> {
        if self.members.len() < 2 {
            return None;
        }
        let known = self.members.iter().filter(|member| self.knows(caller, member));
        (known.take(2).count() > 1).then(|| server.clone())
    }

    async fn destination(&self, call: &Call, invoke: &Invoke) -> Result<Permitted<Destination>, Fault> {
        let absent = || unknown(invoke.verb, &invoke.target);
        match invoke.verb {
            Verb::CallTool | Verb::GetPrompt => {
                let found = self.named(&call.caller, invoke.verb, &invoke.target).await?;
                self.permit_named(call, found, Arguments::Said(invoke.arguments.as_ref()), absent)
            }
            Verb::ReadResource => {
                let subject = Subject::Resource(&invoke.target);
                self.permit_located(call, &invoke.target, subject, absent).await
            }
        }
    }

    fn permit_named(
        &self,
        call: &Call,
        found: Found,
        arguments: Arguments<'_>,
        absent: impl Fn() -> Fault,
    ) -> Result<Permitted<Destination>, Fault> {
        let Found { joined, place, group } = found;
        let entry = joined.index.at(place).ok_or_else(&absent)?;
        let server = group.server().clone();
        let destination = Destination {
            group,
            own: entry.own.clone(),
            mirror: entry.mirror.clone(),
            support: entry.support,
            tool: Some(entry.raw.clone()),
        };
        self.permit(call, (&server, view::subject(&joined, entry)), arguments, absent, destination)
    }

    /// A tool or prompt by its name on this endpoint.
    async fn named(&self, caller: &Arc<Caller>, verb: Verb, name: &str) -> Result<Found, Fault> {
        let kind = verb.list();
        if let Some(found) = self.find_named(caller, kind, name) {
            return Ok(found);
        }
        // Not in the lists that are there: ask again, but only the server whose prefix the name has. What the caller does not see is
        // looked for as long as what is not there.
        let owner = self.by_prefix(name).filter(|_| self.prefixed).and_then(|(place, _)| self.members.get(place));
        match owner.filter(|member| self.sees_some(caller, member, kind)) {
            Some(member) => member.upstream.group(caller).await?.list_again(kind).await.map(drop)?,
            None => self.gather_again(caller, kind).await?,
        }
        let found = self.find_named(caller, kind, name).or_else(|| self.find_hidden(caller, kind, name));
        let only = if let [only] = self.members.as_slice() { Some(only) } else { None };
        let shows_more = |member: &&Member| self.sees_some(caller, member, kind) && is_unconnected(caller, member);
        found.ok_or_else(|| match owner.or(only).filter(shows_more) {
            // What it shows to anybody has no such name; what it shows to those who are connected may.
            Some(member) => Fault::Broken(member.upstream.name().clone(), UpstreamFault::Unconnected),
            None => unknown(verb, name),
        })
    }

    /// Reads the lists again; on an endpoint with one server its failure is the caller's answer.
    async fn gather_again(&self, caller: &Arc<Caller>, kind: ListKind) -> Result<(), Fault> {
        match self.members.as_slice() {
            [only] if self.sees_some(caller, only, kind) => {
                only.upstream.group(caller).await?.list_again(kind).await.map(drop)
            }
            [_] => Ok(()),
            _ => {
                self.gather(caller, kind, Content::TheNewest).await;
                Ok(())
            }
        }
    }

    /// The first of that name that the caller sees.
    fn find_named(&self, caller: &Caller, kind: ListKind, name: &str) -> Option<Found> {
        let (joined, groups) = self.joined_now(caller, kind);
        let (place, entry) =
            joined.index.candidates(name).find(|(_, entry)| self.sees_entry(caller, &joined, entry))?;
        let group = groups.into_iter().nth(entry.part)??;
        Some(Found { joined, place, group })
    }

    /// The first of that name that the caller does not see: the policy will say so, and the log what it said.
    fn find_hidden(&self, caller: &Caller, kind: ListKind, name: &str) -> Option<Found> {
        if self.policies.are_none() {
            return None;
        }
        let (joined, groups) = self.joined_now(caller, kind);
        let (place, entry) = joined.index.candidates(name).next()?;
        let group = groups.into_iter().nth(entry.part)??;
        Some(Found { joined, place, group })
    }

    /// Carries a request for suggestions.
    pub(super) async fn complete(&self, call: &Call, completion: &Completion, stage: Stage) -> Outcome {
        let found = match &completion.reference {
            Reference::Prompt(name) => match self.named(&call.caller, Verb::GetPrompt, name).await {
                Ok(found) => self.permit_named(call, found, Arguments::NotSaid, || unknown(Verb::GetPrompt, name)),
                Err(fault) => Err(fault),
            },
            Reference::Resource(uri) => {
                self.permit_located(call, uri, Subject::Resource(uri), || unknown(Verb::ReadResource, uri)).await
            }
        };
        let permitted = match found {
            Ok(permitted) => permitted,
            Err(fault) => return Outcome::Failed(fault),
        };
        let group = permitted.get().group.clone();
        let _admission = match self.limits.route(call, group.server(), None).decided().await {
            Ok(admission) => admission,
            Err(fault) => return Outcome::Failed(fault),
        };
        let reference =
            completion.params.member("ref").and_then(|reference| reference.object().ok()).unwrap_or_default();
        let reference = match &completion.reference {
            Reference::Prompt(_) => reference.edit().set("name", Raw::string(&permitted.get().own)).finish(),
            Reference::Resource(_) => reference.raw().clone(),
        };
        let params = Params::of(Some(&completion.params));
        let errand = plain_errand(call, "completion/complete".into(), params, smallvec![("ref", Some(reference))]);
        group.carry(permitted.map(|_| errand), stage).await
    }

    /// Permits what is done with a resource, on the server that has it.
    async fn permit_located(
        &self,
        call: &Call,
        uri: &str,
        subject: Subject<'_>,
        absent: impl Fn() -> Fault,
    ) -> Result<Permitted<Destination>, Fault> {
        let owner = self.located(&call.caller, uri, subject).await.ok_or_else(&absent)?;
        let member = self.members.get(owner.part()).ok_or_else(&absent)?;
        let server = member.upstream.name();
        let permitted = match &owner {
            Owner::Resource(_) => self.permit(call, (server, subject), Arguments::NotSaid, absent, ())?,
            Owner::Tool(joined, place) => {
                let entry = joined.index.at(*place).ok_or_else(&absent)?;
                self.permit(call, (server, view::subject(joined, entry)), Arguments::NotSaid, absent, ())?
            }
        };
        let group = member.upstream.group(&call.caller).await?;
        let (mirror, support) = (Mirror::default(), TaskSupport::default());
        Ok(permitted.map(|()| Destination { group, own: uri.into(), mirror, support, tool: None }))
    }
}

/// Whether the gateway repeats a call with its client's answers: clients with a session cannot, and called once. The others repeat
/// calls themselves, as often as they like, so that each counts.
fn is_further_round(call: &Call, invoke: &Invoke) -> bool {
    call.caller.session.is_some() && (invoke.state.is_some() || invoke.answers.is_some())
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
        Mirrored::Headers(headers) if !mirror.is_empty() => mirror.check(invoke.arguments.as_ref(), headers),
        _ => Ok(()),
    }
}

fn is_header_mismatch(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(Fault::Upstream(error)) if error.code == HEADER_MISMATCH)
}

/// The request, and whether it must become a task without its client's doing.
async fn errand(call: &Call, invoke: &Invoke, destination: &Destination) -> Result<(Errand, TaskSupport), Fault> {
    let mut changes = Changes::new();
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
    let errand = plain_errand(call, invoke.verb.method().into(), invoke.params.clone(), changes);
    let (mirror, tool) = (destination.mirror.clone(), destination.tool.clone());
    Ok((Errand { verb: Some(invoke.verb), mirror, tool, tasking, ..errand }, support))
}
