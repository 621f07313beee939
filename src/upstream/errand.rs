//! One request for one upstream, before it is written in that upstream's era.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{
    era::{Incoming, Method, Outgoing, Revision, legacy, modern, trace},
    jsonrpc::{ErrorObject, Message, Raw},
    mcp::{
        Caller, Fault, Mirror, Offer, Outcome, Params, Profile, ProgressInterest, TaskAct, Trace, UpstreamFault, Verb,
    },
};

use super::opening::gateway_caller;

/// What an upstream speaks, settled when it was reached.
#[derive(Clone, Debug)]
pub enum Dialect {
    /// 2026-07-28.
    Modern,
    /// The revision of its handshake.
    Legacy(Revision),
}

/// Whether a wire carries headers beside its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Headers {
    /// HTTP does.
    Sent,
    /// A child's stdin does not.
    None,
}

/// What an upstream speaks and offers.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// What it speaks.
    pub dialect: Dialect,
    /// What it offers.
    pub offer: Offer,
}

/// Members of parameters, each with its new value; without one it is taken out. Mostly the two that belong to rounds of questions.
pub type Changes = SmallVec<[(&'static str, Option<Raw>); 2]>;

/// One request.
#[derive(Clone, Debug)]
pub struct Errand {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// The method.
    pub method: Method,
    /// The client's parameters as they came.
    pub params: Params,
    /// Members of them that are replaced, or taken out.
    pub changes: Changes,
    /// Arguments that go into headers as well.
    pub mirror: Mirror,
    /// Whether the client wants progress.
    pub progress: ProgressInterest,
    /// For the three methods that may need input.
    pub verb: Option<Verb>,
    /// The tool that is called, as its server lists it: it may say what calling it twice would do.
    pub tool: Option<Raw>,
    /// What it has to do with tasks.
    pub tasking: Tasking,
    /// What is learned on the way.
    pub trace: Arc<Trace>,
    /// Who asks, where a user could not tell: said in the server's questions.
    pub asker: Option<Arc<str>>,
}

impl Errand {
    /// A request of the gateway's own, in the name of a caller: with one parameter at the most, and nobody waits for its progress.
    pub(super) fn of_gateway(caller: Arc<Caller>, method: &'static str, param: Option<(&'static str, Raw)>) -> Self {
        Self {
            caller,
            method: method.into(),
            params: Params::default(),
            changes: param.into_iter().map(|(name, value)| (name, Some(value))).collect(),
            mirror: Mirror::default(),
            progress: ProgressInterest::Unwanted,
            verb: None,
            tool: None,
            tasking: Tasking::Nothing,
            trace: Arc::default(),
            asker: None,
        }
    }
}

/// What a request has to do with tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tasking {
    /// Nothing.
    #[default]
    Nothing,
    /// It is to become one, as its parameters say (2025-11-25).
    Wished,
    /// It is about one that the server knows by this id, on this peer if not all of them know it.
    About(TaskAct, Box<str>, Option<Arc<str>>),
}

impl Tasking {
    /// The task whose end the request waits for: the task's questions come meanwhile.
    pub(super) fn awaited(&self) -> Option<&str> {
        match self {
            Self::About(TaskAct::Result, id, _) => Some(id),
            _ => None,
        }
    }

    /// Whether it is answered at once, so that no question can belong to it.
    pub(super) const fn is_short(&self) -> bool {
        matches!(self, Self::About(TaskAct::Get | TaskAct::Update | TaskAct::Cancel, ..))
    }
}

impl Dialect {
    /// Writes the request for HTTP; `token` is its id on the wire.
    pub(super) fn encode(&self, errand: &Errand, token: u64) -> Outgoing {
        let Some(context) = errand.trace.context() else {
            return self.write(errand, &errand.params, token, Headers::Sent);
        };
        let params = trace::into_params(&errand.params, context);
        let mut outgoing = self.write(errand, &params, token, Headers::Sent);
        outgoing.headers.extend(trace::headers(context));
        outgoing
    }

    /// Writes it for a wire without headers.
    pub(super) fn encode_bare(&self, errand: &Errand, token: u64) -> Outgoing {
        let traced = errand.trace.context().map(|context| trace::into_params(&errand.params, context));
        self.write(errand, traced.as_ref().unwrap_or(&errand.params), token, Headers::None)
    }

    fn write(&self, errand: &Errand, params: &Params, token: u64, headers: Headers) -> Outgoing {
        match self {
            Self::Modern => {
                let encode = modern::back::Encode { caller: &errand.caller, progress: errand.progress, token };
                let method = errand.method.clone();
                match headers {
                    Headers::Sent => encode.request(method, params, &errand.changes, &errand.mirror),
                    Headers::None => encode.bare(method, params, &errand.changes),
                }
            }
            Self::Legacy(revision) => {
                let drops_context = errand.method == "completion/complete" && *revision < Revision::V2025_06_18;
                let mut changes = errand.changes.clone();
                changes.extend(drops_context.then_some(("context", None)));
                // Only who asks for a task in this era's way gets one (2025-11-25 basic/utilities/tasks).
                let is_plain = errand.verb == Some(Verb::CallTool) && errand.tasking != Tasking::Wished;
                changes.extend(is_plain.then_some(("task", None)));
                legacy::back::request(errand.method.clone(), params, &changes, errand.progress, token)
            }
        }
    }

    /// Writes a request of the gateway's own.
    pub(super) fn encode_own(&self, method: &'static str, param: Option<(&'static str, Raw)>, token: u64) -> Outgoing {
        let caller = Arc::new(gateway_caller(&Profile::everything()));
        self.encode(&Errand::of_gateway(caller, method, param), token)
    }

    /// Reads a message.
    pub(super) fn decode(&self, message: Message) -> Option<Incoming> {
        match self {
            Self::Modern => modern::back::decode(message),
            Self::Legacy(_) => legacy::back::decode(message),
        }
    }

    /// Judges an answer.
    pub(super) fn outcome(&self, errand: &Errand, server: &Arc<str>, answer: Result<Raw, ErrorObject>) -> Outcome {
        match self {
            Self::Modern => {
                let outcome = match errand.tasking {
                    Tasking::About(..) => modern::task::outcome(answer),
                    _ => modern::back::outcome(errand.verb, &errand.caller, answer).ok(),
                };
                outcome.unwrap_or_else(|| Outcome::Failed(Fault::Broken(server.clone(), UpstreamFault::Garbled)))
            }
            Self::Legacy(_) => match (errand.tasking == Tasking::Wished, answer) {
                (true, Ok(result)) => legacy::task::created(&result).map_or(Outcome::Complete(result), Outcome::Task),
                (_, answer) => legacy::back::outcome(errand.verb, answer),
            },
        }
    }

    /// Whether a handshake that found this revision found the same again.
    pub(super) fn is_of(&self, found: Revision) -> bool {
        matches!(self, Self::Legacy(revision) if *revision == found)
    }

    /// Whether it is of the legacy era.
    pub(super) const fn is_legacy(&self) -> bool {
        matches!(self, Self::Legacy(_))
    }
}
