//! A caller is asked to agree that a server is called in their name, in the middle of the call that needs it.
//!
//! Source: 2025-11-25 and 2026-07-28 client/elicitation (URL Mode).

use std::sync::Arc;

use serde_json::json;
use tokio::{sync::watch, time::timeout};

use crate::{
    jsonrpc::Raw,
    mcp::{
        Ask, AskId, AskKind, Call, Caller, Completion, Event, Fault, Invoke, ListKind, Notice, Op, Outcome, Stage,
        Unanswered, UpstreamFault,
    },
    upstream::credential::oauth::Invited,
};

use super::endpoint::{Endpoint, Member};

/// The number of this question: none that a server's could have.
const QUESTION: AskId = AskId(1 << 61);

/// How often one call may ask its caller to agree.
const CONSENTS: usize = 2;

/// What a call is made for in its caller's name.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// One of the three methods that may need input.
    Invoke(&'a Invoke),
    /// Suggestions.
    Suggestions(&'a Completion),
    /// A method that nobody here knows, with its parameters.
    Extension(&'a str, Option<&'a Raw>),
}

impl Endpoint {
    /// The servers of which the caller sees something and to which they are not connected.
    pub(super) fn unconnected(&self, caller: &Caller, kind: ListKind) -> Vec<Arc<str>> {
        let waits = |member: &&Member| is_unconnected(caller, member) && self.sees_some(caller, member, kind);
        self.members.iter().filter(waits).map(|member| member.upstream.name().clone()).collect()
    }

    /// Makes a call. Where the caller must agree first that a server is called in their name, they are asked, and the call goes on when
    /// they have: once for the server, and once more if it then wants more than was agreed to.
    pub(super) async fn consenting(&self, call: &Call, wanted: Wanted<'_>, stage: Stage) -> Outcome {
        for _ in 0..CONSENTS {
            let outcome = self.attempt(call, wanted, stage.clone()).await;
            let Outcome::Failed(Fault::Broken(server, UpstreamFault::Unconnected)) = &outcome else { return outcome };
            if let Err(fault) = self.connect(call, server, &stage).await {
                return Outcome::Failed(fault);
            }
        }
        self.attempt(call, wanted, stage).await
    }

    async fn attempt(&self, call: &Call, wanted: Wanted<'_>, stage: Stage) -> Outcome {
        match wanted {
            Wanted::Invoke(invoke) => self.invoke(call, invoke, stage).await,
            Wanted::Suggestions(completion) => self.complete(call, completion, stage).await,
            Wanted::Extension(method, params) => self.extend(call, method, params.cloned(), stage).await,
        }
    }

    /// Asks, and waits until they have agreed.
    async fn connect(&self, call: &Call, server: &Arc<str>, stage: &Stage) -> Result<(), Fault> {
        let broken = |fault| Fault::Broken(server.clone(), fault);
        let member = self.members.iter().find(|member| member.upstream.name() == server).ok_or(Fault::Internal)?;
        let oauth = member.upstream.oauth().ok_or(Fault::Internal)?;
        let mut invited = oauth.invite(&call.caller.principal, &self.path).map_err(broken)?;
        let sent_away = || Fault::Consent(server.clone(), invited.url.clone());
        if !call.caller.capabilities.profile.url || !may_ask(call) {
            return Err(sent_away());
        }
        let question = Ask { id: QUESTION, kind: AskKind::Elicit, params: Some(question(server, &invited)) };
        stage.say(Event::Ask(question)).await;
        let mut done = invited.done.clone();
        let answered = tokio::select! {
            biased;
            () = agreed(&mut done) => {
                stage.say(Event::Retract(QUESTION)).await;
                return Ok(());
            }
            (_, answered) = stage.answered() => answered,
        };
        match answered {
            Ok(answer) if is_accepted(&answer) => (),
            Ok(_) => return Err(Fault::Unanswered("The user did not agree to be connected to the server")),
            Err(Unanswered::GivenUp(_)) => return Err(Fault::Unanswered("The client did not come back with answers")),
            Err(_) => return Err(sent_away()),
        }
        // That the page was opened says nothing of what happens on it.
        let patience = member.upstream.settings().timeout;
        if timeout(patience, agreed(&mut invited.done)).await.is_err() {
            return Err(sent_away());
        }
        let complete = Raw::from_value(&json!({ "elicitationId": invited.id }));
        stage.say(Event::Notice(Notice::Elicited(complete, call.caller.session.clone()))).await;
        Ok(())
    }
}

/// Whether a server is called in the name of each caller, and this one is not connected to it.
pub(super) fn is_unconnected(caller: &Caller, member: &Member) -> bool {
    member.upstream.oauth().is_some_and(|oauth| !oauth.is_connected(&caller.principal))
}

/// Whether the caller can be asked while this call goes on: modern clients have an `input_required` for three methods only.
fn may_ask(call: &Call) -> bool {
    call.caller.session.is_some() || matches!(call.op, Op::Invoke(_))
}

fn question(server: &str, invited: &Invited) -> Raw {
    Raw::from_value(&json!({
        "mode": "url",
        "message": format!("The server `{server}` is called in your name once you agree. Open the page to connect it."),
        "url": &*invited.url,
        "elicitationId": invited.id,
    }))
}

/// Ready when they have agreed; never where that cannot come any more.
async fn agreed(done: &mut watch::Receiver<bool>) {
    if done.wait_for(|done| *done).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn is_accepted(answer: &Raw) -> bool {
    answer.member("action").is_some_and(|action| action.text().as_deref() == Some("accept"))
}
