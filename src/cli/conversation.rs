//! One call from its start to its result: what the server says on the way is told, what it asks is answered.
//!
//! Questions come in two forms: a legacy server asks while the call is held open, a modern one ends it and is called again with the
//! answers (2026-07-28 basic/patterns/mrtr).

use std::{sync::Arc, time::Duration};

use myelin::{
    jsonrpc::Raw,
    mcp::{AskKind, Event, Fault, Notice, Outcome, Reply, TaskSupport},
    policy::Permitted,
    upstream::{Errand, Group},
};
use serde_json::Value;
use tokio::time::sleep;

use super::{
    failure::Failure,
    question,
    terminal::{DIM, plain_line},
};

/// Rounds of questions at the most; the official SDKs stop at 8 to 10.
const MAX_ROUNDS: u32 = 10;
/// The first pause when a server only says "later"; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// A call.
pub(super) struct Conversation {
    group: Arc<Group>,
    errand: Errand,
    support: TaskSupport,
}

impl Conversation {
    /// Prepares a call.
    pub(super) const fn new(group: Arc<Group>, errand: Errand, support: TaskSupport) -> Self {
        Self { group, errand, support }
    }

    /// Holds it to its end.
    pub(super) async fn hold(mut self) -> Result<Raw, Failure> {
        let asked = self.errand.changes.len();
        for round in 0..MAX_ROUNDS {
            match self.round().await {
                Outcome::Complete(result) | Outcome::Cacheable(result, _) => return Ok(result),
                Outcome::InputRequired { requests, state, .. } => {
                    self.errand.changes.truncate(asked);
                    match requests {
                        Some(requests) => self.errand.changes.push(("inputResponses", Some(answers(&requests).await?))),
                        None => sleep(PAUSE * 2_u32.pow(round)).await,
                    }
                    self.errand.changes.extend(state.map(|state| ("requestState", Some(Raw::string(&state)))));
                }
                Outcome::Failed(Fault::Upstream(error)) => return Err(Failure::Refused(Box::new(error))),
                Outcome::Failed(fault) => return Err(Failure::Failed(fault)),
                Outcome::Discovered(_) | Outcome::Listed(_) | Outcome::Task(_) => {
                    return Err(Failure::Failed(Fault::Internal));
                }
            }
        }
        Err(Failure::EndlessQuestions)
    }

    async fn round(&self) -> Outcome {
        let (group, support) = (self.group.clone(), self.support);
        let errand = Permitted::to_operator(self.errand.clone());
        let mut reply = Reply::script(move |stage| async move { group.carry_tool(errand, support, stage).await });
        loop {
            match reply.next().await {
                Event::Notice(notice) => tell(&notice),
                Event::Ask(ask) => {
                    let answer = question::answer(ask.kind, ask.params.as_ref()).await;
                    reply.answer(ask.id, answer);
                }
                Event::Retract(_) => anstream::eprintln!("{DIM}the question is withdrawn{DIM:#}"),
                Event::End(outcome) => return outcome,
            }
        }
    }
}

/// The answers to the questions of a round, by key. Only a form can be declined; there is no such word for the rest.
async fn answers(requests: &Raw) -> Result<Raw, Failure> {
    let object = requests.object().map_err(|_| Failure::Unanswerable)?;
    let mut answers = serde_json::Map::new();
    for (key, request) in object.iter() {
        let kind = request.member("method").and_then(|method| AskKind::parse(&method.text()?));
        let answer = question::answer(kind.ok_or(Failure::Unanswerable)?, request.member("params").as_ref()).await;
        let answer = answer.map_err(|_| Failure::Unanswerable)?;
        answers.insert(key.to_owned(), serde_json::from_str(answer.as_str()).unwrap_or_default());
    }
    Ok(Raw::from_value(&answers))
}

fn tell(notice: &Notice) {
    match notice {
        Notice::Progress(params) => {
            let params: Value = serde_json::from_str(params.as_str()).unwrap_or_default();
            anstream::eprintln!("{DIM}{}{DIM:#}", progress(&params));
        }
        Notice::Log(level, params) => {
            let params: Value = serde_json::from_str(params.as_str()).unwrap_or_default();
            anstream::eprintln!("{DIM}{level}: {}{DIM:#}", log(&params));
        }
        _ => {}
    }
}

/// `[2/7] reading the shelf`.
fn progress(params: &Value) -> String {
    let number = |member: &str| params.get(member).filter(|value| value.is_number()).map(ToString::to_string);
    let done = number("progress").unwrap_or_default();
    let total = number("total").map(|total| format!("/{total}")).unwrap_or_default();
    let message = params.get("message").and_then(Value::as_str).map(plain_line).unwrap_or_default();
    format!("[{done}{total}] {message}")
}

fn log(params: &Value) -> String {
    let data = params.get("data").unwrap_or(&Value::Null);
    let logger = params.get("logger").and_then(Value::as_str).map(|logger| format!("{}: ", plain_line(logger)));
    let text = data.as_str().map_or_else(|| data.to_string(), str::to_owned);
    format!("{}{}", logger.unwrap_or_default(), plain_line(&text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_progress_and_logs_in_a_line() {
        assert_eq!(progress(&json!({"progress": 2, "total": 7, "message": "a\nb"})), "[2/7] a b");
        assert_eq!(log(&json!({"logger": "scan", "data": {"event": "done"}})), r#"scan: {"event":"done"}"#);
    }
}
