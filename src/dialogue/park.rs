//! For modern clients: a call whose server asks while it runs is parked, and the client gets `input_required`; its next call takes
//! the parked one up again with the answers.
//!
//! A parked call is a [`Reply`] that nobody polls: what the server says meanwhile waits in its bounded mailbox, and dropping it cancels
//! the call upstream. Parked calls are bounded per principal and in all, and expire.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::{
    clock,
    jsonrpc::{Kind, Object, Raw},
    mcp::{Ask, AskId, AskKind, Call, Caller, Event, Fault, Invoke, Limit, Op, Outcome, Profile, Reply, Stage, Waist},
    seal::{self, KeyRing},
};

use super::token::{Place, Token};

/// A server's hint which key its question should have for modern clients; taken out before the question is shown.
const KEY_HINT: &str = "myelin/inputKey";

/// Limits of parked calls.
#[derive(Clone, Copy, Debug)]
pub struct ParkSettings {
    /// How long a client may take for a round.
    pub lifetime: Duration,
    /// Parked calls at the most.
    pub max: usize,
    /// Parked calls of one principal at the most.
    pub max_per_principal: usize,
    /// How long to wait for further questions before the client is asked, so that it is asked once.
    pub gather: Duration,
}

impl Default for ParkSettings {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(300),
            max: 10_000,
            max_per_principal: 1000,
            gather: Duration::from_millis(30),
        }
    }
}

/// The waist for modern clients.
pub struct Park {
    inner: Arc<dyn Waist>,
    ring: Arc<KeyRing>,
    settings: ParkSettings,
    table: Arc<Table>,
}

type Table = Mutex<HashMap<String, Parked>>;

struct Parked {
    talk: Talk,
    principal: String,
    expires: Instant,
}

/// A call on its way, and the questions that its client has not answered.
struct Talk {
    reply: Reply,
    pending: Vec<(String, Ask)>,
    asked: u64,
}

impl Park {
    /// Parks the calls of `inner`.
    pub fn new(inner: Arc<dyn Waist>, ring: Arc<KeyRing>, settings: ParkSettings) -> Self {
        Self { inner, ring, settings, table: Arc::default() }
    }

    /// Cancels what expired. To be called every now and then.
    pub fn expire(&self) {
        let now = clock::now();
        let expired: Vec<Parked> =
            lock(&self.table).extract_if(|_, parked| parked.expires <= now).map(|(_, parked)| parked).collect();
        if !expired.is_empty() {
            tracing::info!(calls = expired.len(), "parked calls expired");
        }
    }

    /// How many calls are parked.
    pub fn len(&self) -> usize {
        lock(&self.table).len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn invoke(&self, mut call: Call, mut invoke: Invoke) -> Reply {
        let (caller, mut asked) = (call.caller.clone(), None);
        let mut given = invoke.clone();
        if let Some(sealed) = invoke.state.take() {
            match Token::open(&self.ring, &sealed, &caller, &invoke).map(|token| token.place) {
                Ok(Place::State(state)) => given.state = Some(state),
                Ok(Place::Parked(id)) => match lock(&self.table).remove(&id) {
                    Some(parked) => asked = Some(parked.talk),
                    None => return Reply::ready(Outcome::Failed(Fault::BadState("request_state_expired"))),
                },
                Err(fault) => return Reply::ready(Outcome::Failed(fault)),
            }
        }
        let answers = given.answers.clone();
        let talk = asked.unwrap_or_else(|| {
            call.op = Op::Invoke(given);
            Talk { reply: self.inner.call(call), pending: Vec::new(), asked: 0 }
        });
        let lot = Lot { ring: self.ring.clone(), settings: self.settings, table: self.table.clone(), caller, invoke };
        Reply::script(move |stage| lot.attend(talk, answers, stage))
    }
}

impl Waist for Park {
    fn call(&self, call: Call) -> Reply {
        match &call.op {
            Op::Invoke(invoke) => {
                let invoke = invoke.clone();
                self.invoke(call, invoke)
            }
            _ => self.inner.call(call),
        }
    }

    fn ended(&self, session: &Arc<str>) {
        self.inner.ended(session);
    }
}

fn lock(table: &Table) -> MutexGuard<'_, HashMap<String, Parked>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What attending to one round needs.
struct Lot {
    ring: Arc<KeyRing>,
    settings: ParkSettings,
    table: Arc<Table>,
    caller: Arc<Caller>,
    invoke: Invoke,
}

impl Lot {
    async fn attend(self, mut talk: Talk, answers: Option<Raw>, stage: Stage) -> Outcome {
        let answers = answers.and_then(|answers| answers.object().ok()).unwrap_or_default();
        talk.give(&answers);
        loop {
            let event = if talk.pending.is_empty() {
                talk.reply.next().await
            } else {
                match timeout(self.settings.gather, talk.reply.next()).await {
                    Ok(event) => event,
                    Err(_) => return self.park(talk),
                }
            };
            match event {
                Event::Notice(notice) => stage.say(Event::Notice(notice)).await,
                // What the server needs was not declared with this request: the call cannot be carried (2026-07-28 basic/index, _meta).
                Event::Ask(ask) if !declares(&self.caller.capabilities.profile, &ask) => {
                    return Outcome::Failed(Fault::MissingCapability(required(&ask)));
                }
                Event::Ask(ask) => {
                    let key = talk.key(&ask);
                    talk.pending.push((key, ask));
                    talk.give(&answers);
                }
                Event::Retract(id) => talk.pending.retain(|(_, ask)| ask.id != id),
                Event::End(outcome) => return self.seal(outcome),
            }
        }
    }

    /// The upstream's state goes out sealed, so that nobody else can bring it back through the gateway's own credential.
    fn seal(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::InputRequired { requests: Some(requests), .. }
                if let Some(needed) = self.undeclared(&requests) =>
            {
                Outcome::Failed(Fault::MissingCapability(needed))
            }
            Outcome::InputRequired { requests, state: Some(state), result } => {
                let token = Token::new(&self.caller, &self.invoke, self.settings.lifetime, Place::State(state));
                match token.seal(&self.ring) {
                    Some(sealed) => Outcome::InputRequired { requests, state: Some(sealed), result },
                    None => Outcome::Failed(Fault::Internal),
                }
            }
            outcome => outcome,
        }
    }

    /// What a round of a modern server asks for beyond what the client declared with this request.
    fn undeclared(&self, requests: &Raw) -> Option<Raw> {
        let requests = requests.object().ok()?;
        let asks = requests.iter().filter_map(|(_, request)| {
            let kind = request.member("method").as_ref().and_then(|method| AskKind::parse(&method.text()?))?;
            Some(Ask { id: own_ask(0), kind, params: request.member("params") })
        });
        asks.filter(|ask| !declares(&self.caller.capabilities.profile, ask)).map(|ask| required(&ask)).next()
    }

    fn park(&self, talk: Talk) -> Outcome {
        let Ok(id) = seal::random_id() else { return Outcome::Failed(Fault::Internal) };
        let token = Token::new(&self.caller, &self.invoke, self.settings.lifetime, Place::Parked(id.clone()));
        let Some(state) = token.seal(&self.ring) else { return Outcome::Failed(Fault::Internal) };
        let requests = requests(&talk.pending);
        let principal = self.caller.principal.id().to_owned();
        let mut table = lock(&self.table);
        let own = table.values().filter(|parked| parked.principal == principal).count();
        if table.len() >= self.settings.max || own >= self.settings.max_per_principal {
            return Outcome::Failed(Fault::Limited(Limit::Parked, self.settings.lifetime));
        }
        table.insert(id, Parked { talk, principal, expires: clock::now() + self.settings.lifetime });
        drop(table);
        let result = Object::default();
        let result = result
            .edit()
            .set("resultType", Raw::literal("\"input_required\""))
            .set("inputRequests", requests.clone())
            .finish();
        Outcome::InputRequired { requests: Some(requests), state: Some(state), result }
    }
}

impl Talk {
    /// Hands over the answers that fit questions which wait; the rest waits on.
    fn give(&mut self, answers: &Object) {
        let Self { reply, pending, .. } = self;
        pending.retain(|(key, ask)| match answers.get(key).filter(|answer| fits(ask.kind, answer)) {
            Some(answer) => {
                reply.answer(ask.id, Ok(answer));
                false
            }
            None => true,
        });
    }

    /// The key of a question: what the server hints at if that is usable, a number otherwise.
    fn key(&mut self, ask: &Ask) -> String {
        self.asked += 1;
        let hint = ask
            .params
            .as_ref()
            .and_then(|params| params.member("_meta")?.member(KEY_HINT)?.text().map(std::borrow::Cow::into_owned));
        let is_usable = |hint: &String| {
            (1..=64).contains(&hint.len())
                && hint.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
                && self.pending.iter().all(|(key, _)| key != hint)
        };
        hint.filter(is_usable).unwrap_or_else(|| format!("k{}", self.asked))
    }
}

/// `inputRequests`: each question without what belongs to the legacy wire.
fn requests(pending: &[(String, Ask)]) -> Raw {
    let object = Object::default();
    pending.iter().fold(object.edit(), |edit, (key, ask)| edit.set(key, request(ask))).finish()
}

fn request(ask: &Ask) -> Raw {
    let object = Object::default();
    let edit = object.edit().set("method", Raw::string(ask.kind.method()));
    match ask.params.as_ref().and_then(|params| params.object().ok()) {
        Some(params) => edit.set("params", without_wire_members(&params)).finish(),
        None => edit.finish(),
    }
}

fn without_wire_members(params: &Object) -> Raw {
    let own_meta = params.get("_meta").and_then(|own| own.object().ok()).unwrap_or_default();
    let own_meta =
        own_meta.edit().remove_all(&[KEY_HINT, "progressToken", "io.modelcontextprotocol/related-task"]).finish();
    let edit = params.edit().remove_all(&["task", "elicitationId"]);
    if own_meta.as_str() == "{}" { edit.remove("_meta").finish() } else { edit.set("_meta", own_meta).finish() }
}

/// Whether an answer has the shape of its kind; one of another shape is asked for again.
fn fits(kind: AskKind, answer: &Raw) -> bool {
    let member = |name: &str| answer.member(name).map(|value| value.kind());
    match kind {
        AskKind::Elicit => member("action") == Some(Kind::String),
        AskKind::Sample => member("role") == Some(Kind::String) && member("content").is_some(),
        AskKind::Roots => member("roots") == Some(Kind::Array),
    }
}

/// Whether the client of the present round can be asked that.
fn declares(profile: &Profile, ask: &Ask) -> bool {
    let is_url =
        ask.params.as_ref().and_then(|params| params.member("mode")).is_some_and(|mode| mode.as_str() == "\"url\"");
    match ask.kind {
        AskKind::Elicit if is_url => profile.url,
        AskKind::Elicit => profile.form,
        AskKind::Sample => profile.sampling,
        AskKind::Roots => profile.roots,
    }
}

/// The capability that a question needs, as a `ClientCapabilities` object.
const fn required(ask: &Ask) -> Raw {
    match ask.kind {
        AskKind::Elicit => Raw::literal(r#"{"elicitation":{}}"#),
        AskKind::Sample => Raw::literal(r#"{"sampling":{}}"#),
        AskKind::Roots => Raw::literal(r#"{"roots":{}}"#),
    }
}

/// A question's number, for those who make some themselves.
pub(super) const fn own_ask(number: u64) -> AskId {
    AskId((1 << 63) | number)
}
