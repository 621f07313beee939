//! For modern clients: a call whose server asks while it runs is parked, and the client gets `input_required`; its next call takes
//! the parked one up again with the answers.
//!
//! What a modern server answers needs no parking: its state goes out sealed and comes back as it was. A legacy server that wants a URL
//! visited first (`-32042`) ends its call, so nothing is parked either: the call is made again.

use std::{sync::Arc, time::Instant};

use tokio::time::timeout;

use crate::{
    era::legacy::back::urls_first,
    jsonrpc::{Object, Raw},
    mcp::{AskKind, Call, Caller, Event, Fault, Invoke, Limit, Op, Outcome, Reply, Stage, Waist},
    seal::{self, KeyRing},
};

use super::{
    settings::ParkSettings,
    table::Table,
    talk::Talk,
    token::{Place, Token},
};

/// The waist for modern clients.
pub struct Park {
    inner: Arc<dyn Waist>,
    ring: Arc<KeyRing>,
    settings: Arc<ParkSettings>,
    table: Arc<Table>,
}

impl Park {
    /// Parks the calls of `inner`.
    pub fn new(inner: Arc<dyn Waist>, ring: Arc<KeyRing>, settings: ParkSettings) -> Self {
        Self { inner, ring, settings: Arc::new(settings), table: Arc::default() }
    }

    /// Cancels what expired. To be called every now and then; what expired is not taken up again in any case.
    pub fn expire(&self) {
        self.table.expire();
    }

    /// Whether no call is parked.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// When the next parked call expires.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.table.next_expiry()
    }

    fn invoke(&self, mut call: Call, invoke: Arc<Invoke>) -> Reply {
        let (caller, mut parked, mut round) = (call.caller.clone(), None, 1);
        let mut answers = invoke.answers.clone();
        if let Some(sealed) = &invoke.state {
            let mut given = Invoke { state: None, ..(*invoke).clone() };
            let place = Token::open(&self.ring, sealed, &caller, &invoke).map(|token| {
                round = token.round.saturating_add(1);
                token.place
            });
            match place {
                Ok(Place::State(state)) => given.state = Some(state),
                Ok(Place::Urls) if !all_accepted(given.answers.take().as_ref()) => {
                    return failed(Fault::Unanswered("The URL that the server requires was not visited"));
                }
                Ok(Place::Urls) => (),
                Ok(Place::Parked(id)) => match self.table.take(&id) {
                    Some(talk) => parked = Some(talk),
                    None => return failed(Fault::BadState("request_state_expired")),
                },
                Err(fault) => return failed(fault),
            }
            answers.clone_from(&given.answers);
            call.op = Op::Invoke(Arc::new(given));
        }
        let talk = parked.unwrap_or_else(|| Talk::new(self.inner.call(call)));
        let (ring, settings, table) = (self.ring.clone(), self.settings.clone(), self.table.clone());
        let lot = Lot { ring, settings, table, caller, invoke, round };
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

fn failed(fault: Fault) -> Reply {
    Reply::ready(Outcome::Failed(fault))
}

/// Whether nobody declined. A question without an answer is the server's to ask again.
fn all_accepted(answers: Option<&Raw>) -> bool {
    let answers = answers.and_then(|answers| answers.object().ok()).unwrap_or_default();
    let is_accepted = |answer: &Raw| answer.member("action").is_some_and(|action| action.as_str() == "\"accept\"");
    answers.iter().all(|(_, answer)| is_accepted(&answer))
}

/// What attending to one round needs.
struct Lot {
    ring: Arc<KeyRing>,
    settings: Arc<ParkSettings>,
    table: Arc<Table>,
    caller: Arc<Caller>,
    invoke: Arc<Invoke>,
    round: u32,
}

impl Lot {
    async fn attend(self, mut talk: Talk, answers: Option<Raw>, stage: Stage) -> Outcome {
        let answers = answers.and_then(|answers| answers.object().ok());
        if let Some(answers) = &answers {
            talk.give(answers);
        }
        loop {
            let event = if talk.waits() {
                match timeout(self.settings.gather, talk.reply.next()).await {
                    Ok(event) => event,
                    Err(_) => return self.park(talk),
                }
            } else {
                talk.reply.next().await
            };
            match event {
                Event::Notice(notice) => stage.say(Event::Notice(notice)).await,
                Event::Ask(ask) => {
                    // What the server needs was not declared with this request: the call cannot be carried (2026-07-28 basic/index).
                    if let Some(needed) = self.caller.capabilities.profile.lacks(ask.kind, ask.params.as_ref()) {
                        return Outcome::Failed(Fault::MissingCapability(needed));
                    }
                    talk.ask(ask);
                    if let Some(answers) = &answers {
                        talk.give(answers);
                    }
                }
                Event::Retract(id) => talk.retract(id),
                Event::End(outcome) => return self.conclude(outcome),
            }
        }
    }

    fn conclude(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::InputRequired { requests, state, result } => self.relay(requests, state, result),
            Outcome::Failed(Fault::Upstream(error)) => match urls_first(&error) {
                Some(_) if !self.caller.capabilities.profile.url => {
                    Outcome::Failed(Fault::MissingCapability(Raw::literal(r#"{"elicitation":{"url":{}}}"#)))
                }
                Some(requests) => self.ask(requests, Place::Urls),
                None => Outcome::Failed(Fault::Upstream(error)),
            },
            outcome => outcome,
        }
    }

    /// The upstream's state goes out sealed, so that nobody else can bring it back through the gateway's own credential.
    fn relay(&self, requests: Option<Raw>, state: Option<String>, result: Raw) -> Outcome {
        if requests.as_ref().is_some_and(|requests| !self.may_be_asked(requests)) {
            return Outcome::Failed(Fault::Unanswered("The server asks for what this request did not declare"));
        }
        match state.map(|state| self.token(Place::State(state))).transpose() {
            Ok(state) => Outcome::InputRequired { requests, state, result },
            Err(fault) => Outcome::Failed(fault),
        }
    }

    /// Whether the request declared everything that is asked for: the gateway breaks no rule because its server does
    /// (2026-07-28 basic/patterns/mrtr, Server Requirements).
    fn may_be_asked(&self, requests: &Raw) -> bool {
        let Ok(requests) = requests.object() else { return false };
        let profile = &self.caller.capabilities.profile;
        requests.iter().all(|(_, request)| {
            let kind = request.member("method").as_ref().and_then(|method| AskKind::parse(&method.text()?));
            kind.is_some_and(|kind| profile.lacks(kind, request.member("params").as_ref()).is_none())
        })
    }

    fn park(&self, talk: Talk) -> Outcome {
        let Ok(id) = seal::random_id() else { return Outcome::Failed(Fault::Internal) };
        let outcome = self.ask(talk.requests(), Place::Parked(id.clone()));
        let is_asked = matches!(outcome, Outcome::InputRequired { .. });
        if is_asked && self.table.put(id, talk, &self.caller.principal, &self.settings).is_err() {
            return Outcome::Failed(Fault::Limited(Limit::Parked, self.settings.lifetime));
        }
        outcome
    }

    /// Ends the round with questions of the gateway's own form.
    fn ask(&self, requests: Raw, place: Place) -> Outcome {
        let state = match self.token(place) {
            Ok(state) => state,
            Err(fault) => return Outcome::Failed(fault),
        };
        let result = Object::default();
        let result = result
            .edit()
            .set("resultType", Raw::literal("\"input_required\""))
            .set("inputRequests", requests.clone())
            .finish();
        Outcome::InputRequired { requests: Some(requests), state: Some(state), result }
    }

    fn token(&self, place: Place) -> Result<String, Fault> {
        if self.round > self.settings.max_rounds {
            return Err(Fault::Unanswered("The server asks too often"));
        }
        let token = Token::new(&self.caller, &self.invoke, self.settings.lifetime, self.round, place);
        token.seal(&self.ring).ok_or(Fault::Internal)
    }
}
