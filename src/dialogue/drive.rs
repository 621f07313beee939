//! For legacy clients: `input_required` becomes questions while the call is held open, and the answers go back with the call repeated.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use super::pass::pass;
use crate::{
    jsonrpc::{Object, Raw},
    mcp::{
        Answer, Ask, AskId, AskKind, Call, Event, Fault, Invoke, Op, Outcome, Profile, Reply, Stage, Unanswered, Waist,
        is_url,
    },
    seal,
};

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
        match &call.op {
            Op::Invoke(invoke) => {
                let (inner, invoke, settings) = (self.inner.clone(), invoke.clone(), self.settings);
                Reply::script(move |stage| rounds(inner, call, invoke, settings, stage))
            }
            _ => self.inner.call(call),
        }
    }

    fn ended(&self, session: &Arc<str>) {
        self.inner.ended(session);
    }
}

async fn rounds(
    inner: Arc<dyn Waist>,
    call: Call,
    invoke: Arc<Invoke>,
    settings: DriveSettings,
    stage: Stage,
) -> Outcome {
    let (mut answers, mut state, mut pause, mut asked) = (None, None, settings.pause, 0);
    for _ in 0..settings.max_rounds {
        let invoke = Invoke { answers: answers.take(), state: state.take(), ..(*invoke).clone() };
        let op = Op::Invoke(Arc::new(invoke));
        match pass(inner.call(Call { op, ..call.clone() }), &stage).await {
            Outcome::InputRequired { requests: None, state: later, .. } => {
                state = later;
                sleep(pause).await;
                pause *= 2;
            }
            Outcome::InputRequired { requests: Some(requests), state: next, .. } => {
                state = next;
                match ask_all(&requests, &call.caller.capabilities.profile, &mut asked, settings, &stage).await {
                    Ok(given) => answers = Some(given),
                    Err(fault) => return Outcome::Failed(fault),
                }
            }
            outcome => return outcome,
        }
    }
    Outcome::Failed(Fault::Unanswered("The server asks too often"))
}

/// A question that was put and is not answered yet.
struct Put {
    id: AskId,
    key: String,
    kind: AskKind,
}

/// Puts all questions of a round and gathers the answers. Where that fails, what is still open is taken back.
async fn ask_all(
    requests: &Raw,
    profile: &Profile,
    asked: &mut u64,
    settings: DriveSettings,
    stage: &Stage,
) -> Result<Raw, Fault> {
    let questions = questions(requests, profile, asked)?;
    let mut waiting = Vec::with_capacity(questions.len());
    for (key, ask) in questions {
        waiting.push(Put { id: ask.id, key, kind: ask.kind });
        stage.say(Event::Ask(ask)).await;
    }
    let gathered = timeout(settings.question_timeout, gather(&mut waiting, stage)).await;
    for put in waiting {
        stage.say(Event::Retract(put.id)).await;
    }
    gathered.unwrap_or(Err(Fault::Unanswered("The question of the server was not answered in time")))
}

/// The questions of a round. None is put when one of them cannot be.
fn questions(requests: &Raw, profile: &Profile, asked: &mut u64) -> Result<Vec<(String, Ask)>, Fault> {
    const GARBLED: Fault = Fault::Unanswered("The server asks in a form that is not MCP");
    let requests = requests.object().map_err(|_| GARBLED)?;
    let question = |(key, request): (&str, Raw)| {
        let kind =
            request.member("method").as_ref().and_then(|method| AskKind::parse(&method.text()?)).ok_or(GARBLED)?;
        let params = request.member("params");
        if let Some(needed) = profile.lacks(kind, params.as_ref()) {
            return Err(Fault::MissingCapability(needed));
        }
        *asked += 1;
        Ok((key.to_owned(), Ask { id: own_ask(*asked), kind, params: with_id(kind, params) }))
    };
    requests.iter().map(question).collect()
}

/// The number of a question of the gateway's own making: none that a server's could have.
const fn own_ask(number: u64) -> AskId {
    AskId((1 << 63) | number)
}

/// URL mode needs an id in 2025-11-25, which 2026-07-28 has no more.
fn with_id(kind: AskKind, params: Option<Raw>) -> Option<Raw> {
    if !is_url(kind, params.as_ref()) {
        return params;
    }
    let object = params?.object().ok()?;
    let id = seal::random_id().ok()?;
    Some(object.edit().set_default("elicitationId", Raw::string(&id)).finish())
}

/// Takes the answers in whatever order they come; what is answered leaves `waiting`.
async fn gather(waiting: &mut Vec<Put>, stage: &Stage) -> Result<Raw, Fault> {
    let mut given: Vec<(String, Raw)> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let (id, answer) = stage.answered().await;
        let Some(at) = waiting.iter().position(|put| put.id == id) else { continue };
        let put = waiting.swap_remove(at);
        given.push((put.key, judge(put.kind, answer)?));
    }
    let object = Object::default();
    Ok(given.iter().fold(object.edit(), |edit, (key, answer)| edit.set(key, answer.clone())).finish())
}

/// There is no error among answers: a form that the client refused was cancelled; anything else ends the call.
fn judge(kind: AskKind, answer: Answer) -> Result<Raw, Fault> {
    match (kind, answer) {
        (_, Ok(answer)) => Ok(answer),
        (_, Err(Unanswered::NotPut(_))) => {
            Err(Fault::Unanswered("The server asks for input in a form that this client cannot be asked in"))
        }
        (AskKind::Elicit, Err(Unanswered::Refused(_) | Unanswered::GivenUp(_))) => {
            Ok(Raw::literal(r#"{"action":"cancel"}"#))
        }
        (AskKind::Sample, Err(_)) => Err(Fault::Unanswered("The client refused to sample for the server")),
        (AskKind::Roots, Err(_)) => Err(Fault::Unanswered("The client did not tell its roots")),
    }
}
