//! A caller is asked to agree that a server is called in their name, in the middle of the call that needs it.
//!
//! Source: 2025-11-25 and 2026-07-28 client/elicitation (URL Mode).

use std::sync::Arc;

use serde_json::json;
use tokio::{sync::watch, time::timeout};

use crate::{
    jsonrpc::Raw,
    mcp::{Ask, AskId, AskKind, Call, Event, Fault, Notice, Stage, Unanswered},
    upstream::credential::oauth::Invited,
};

use super::endpoint::Endpoint;

/// The number of this question: none that a server's could have.
const QUESTION: AskId = AskId(1 << 61);

impl Endpoint {
    /// Asks, and waits until they have agreed.
    pub(super) async fn connect(&self, call: &Call, server: &Arc<str>, stage: &Stage) -> Result<(), Fault> {
        let broken = |fault| Fault::Broken(server.clone(), fault);
        let member = self.members.iter().find(|member| member.upstream.name() == server).ok_or(Fault::Internal)?;
        let oauth = member.upstream.oauth().ok_or(Fault::Internal)?;
        let mut invited = oauth.invite(&call.caller.principal, &self.path).map_err(broken)?;
        let sent_away = || Fault::Consent(server.clone(), invited.url.clone());
        if !call.caller.capabilities.profile.url {
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
