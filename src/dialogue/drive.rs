//! For legacy clients: `input_required` becomes questions while the call is held open, and the answers go back with the call repeated.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use crate::{
    jsonrpc::{Object, Raw},
    mcp::{Answer, Ask, AskId, AskKind, Call, Event, Fault, Invoke, Op, Outcome, Reply, Stage, Waist},
    seal,
};

use super::park::own_ask;

/// Limits of driven calls.
#[derive(Clone, Copy, Debug)]
pub struct DriveSettings {
    /// Rounds of one call at the most; the official SDKs stop at 8 to 10.
    pub max_rounds: u32,
    /// How long a client may take to answer the questions of a round.
    pub question_timeout: Duration,
    /// The first pause when a server only says "later"; it doubles.
    pub pause: Duration,
}

impl Default for DriveSettings {
    fn default() -> Self {
        Self { max_rounds: 10, question_timeout: Duration::from_secs(300), pause: Duration::from_millis(250) }
    }
}

/// The waist for legacy clients.
pub struct Drive {
    inner: Arc<dyn Waist>,
    settings: DriveSettings,
}

impl Drive {
    /// Drives the rounds of `inner`.
    pub fn new(inner: Arc<dyn Waist>, settings: DriveSettings) -> Self {
        Self { inner, settings }
    }
}

impl Waist for Drive {
    fn call(&self, call: Call) -> Reply {
        match call.op.clone() {
            Op::Invoke(invoke) => {
                let (inner, settings) = (self.inner.clone(), self.settings);
                Reply::script(move |stage| rounds(inner, call, invoke, settings, stage))
            }
            _ => self.inner.call(call),
        }
    }

    fn ended(&self, session: &Arc<str>) {
        self.inner.ended(session);
    }
}

async fn rounds(inner: Arc<dyn Waist>, call: Call, invoke: Invoke, settings: DriveSettings, stage: Stage) -> Outcome {
    let (mut answers, mut state, mut pause, mut asked) = (None, None, settings.pause, 0);
    for _ in 0..settings.max_rounds {
        let op = Op::Invoke(Invoke { answers: answers.take(), state: state.take(), ..invoke.clone() });
        match round(inner.call(Call { op, ..call.clone() }), &stage).await {
            Outcome::InputRequired { requests: None, state: later, .. } => {
                state = later;
                sleep(pause).await;
                pause *= 2;
            }
            Outcome::InputRequired { requests: Some(requests), state: next, .. } => {
                state = next;
                match timeout(settings.question_timeout, put(&requests, &mut asked, &stage)).await {
                    Ok(Ok(given)) => answers = Some(given),
                    Ok(Err(fault)) => return Outcome::Failed(fault),
                    Err(_) => {
                        return Outcome::Failed(Fault::Unanswered(
                            "The question of the server was not answered in time",
                        ));
                    }
                }
            }
            outcome => return outcome,
        }
    }
    Outcome::Failed(Fault::Unanswered("The server asks too often"))
}

/// One call, with the live questions of a legacy server passed on.
async fn round(mut reply: Reply, stage: &Stage) -> Outcome {
    loop {
        tokio::select! {
            event = reply.next() => match event {
                Event::End(outcome) => return outcome,
                event => stage.say(event).await,
            },
            (ask, answer) = stage.answered() => reply.answer(ask, answer),
        }
    }
}

/// Puts all questions of a round and gathers the answers, in whatever order they come.
async fn put(requests: &Raw, asked: &mut u64, stage: &Stage) -> Result<Raw, Fault> {
    const GARBLED: Fault = Fault::Unanswered("The server asks in a form that is not MCP");
    let requests = requests.object().map_err(|_| GARBLED)?;
    let mut waiting: Vec<(AskId, String, AskKind)> = Vec::with_capacity(requests.len());
    for (key, request) in requests.iter() {
        let kind =
            request.member("method").as_ref().and_then(|method| AskKind::parse(&method.text()?)).ok_or(GARBLED)?;
        *asked += 1;
        let id = own_ask(*asked);
        waiting.push((id, key.to_owned(), kind));
        stage.say(Event::Ask(Ask { id, kind, params: params(kind, request.member("params")) })).await;
    }
    gather(waiting, stage).await
}

/// URL mode needs an id in 2025-11-25, which 2026-07-28 has no more.
fn params(kind: AskKind, params: Option<Raw>) -> Option<Raw> {
    let object = params.as_ref()?.object().ok()?;
    let is_url = kind == AskKind::Elicit && object.text("mode").as_deref() == Some("url");
    if !is_url {
        return params;
    }
    let id = seal::random_id().ok()?;
    Some(object.edit().set_default("elicitationId", Raw::string(&id)).finish())
}

async fn gather(mut waiting: Vec<(AskId, String, AskKind)>, stage: &Stage) -> Result<Raw, Fault> {
    let mut given: Vec<(String, Raw)> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let (id, answer) = stage.answered().await;
        let Some(at) = waiting.iter().position(|(asked, _, _)| *asked == id) else { continue };
        let (_, key, kind) = waiting.swap_remove(at);
        given.push((key, judge(kind, answer)?));
    }
    let object = Object::default();
    Ok(given.iter().fold(object.edit(), |edit, (key, answer)| edit.set(key, answer.clone())).finish())
}

/// There is no error among answers: a form that failed was cancelled; anything else ends the call.
fn judge(kind: AskKind, answer: Answer) -> Result<Raw, Fault> {
    match (kind, answer) {
        (_, Ok(answer)) => Ok(answer),
        (AskKind::Elicit, Err(_)) => Ok(Raw::literal(r#"{"action":"cancel"}"#)),
        (AskKind::Sample, Err(_)) => Err(Fault::Unanswered("The client refused to sample for the server")),
        (AskKind::Roots, Err(_)) => Err(Fault::Unanswered("The client did not tell its roots")),
    }
}
