//! One request for one upstream, before it is written in that upstream's era.

use std::sync::Arc;

use crate::{
    era::{Incoming, Outgoing, Revision, legacy, modern, trace},
    jsonrpc::{ErrorObject, Message, Raw},
    mcp::{Caller, Fault, Mirror, Offer, Outcome, Profile, ProgressInterest, Trace, UpstreamFault, Verb},
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

/// What an upstream speaks and offers.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// What it speaks.
    pub dialect: Dialect,
    /// What it offers.
    pub offer: Offer,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Errand {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// The method.
    pub method: String,
    /// The client's parameters as they came.
    pub params: Option<Raw>,
    /// Members of them that are replaced, or taken out.
    pub changes: Vec<(&'static str, Option<Raw>)>,
    /// Arguments that go into headers as well.
    pub mirror: Mirror,
    /// Whether the client wants progress.
    pub progress: ProgressInterest,
    /// For the three methods that may need input.
    pub verb: Option<Verb>,
    /// What is learned on the way.
    pub trace: Arc<Trace>,
    /// Who asks, where a user could not tell: said in the server's questions.
    pub asker: Option<Arc<str>>,
}

impl Dialect {
    /// Writes the request; `token` is its id on the wire.
    pub(super) fn encode(&self, errand: &Errand, token: u64) -> Outgoing {
        let Some(context) = errand.trace.context() else { return self.write(errand, errand.params.as_ref(), token) };
        let params = trace::into_params(errand.params.as_ref(), context);
        let mut outgoing = self.write(errand, Some(&params), token);
        outgoing.headers.extend(trace::headers(context));
        outgoing
    }

    fn write(&self, errand: &Errand, params: Option<&Raw>, token: u64) -> Outgoing {
        match self {
            Self::Modern => {
                let encode = modern::back::Encode { caller: &errand.caller, progress: errand.progress, token };
                encode.request(&errand.method, params, &errand.changes, &errand.mirror)
            }
            Self::Legacy(revision) => {
                let drops_context = errand.method == "completion/complete" && *revision < Revision::V2025_06_18;
                let mut changes = errand.changes.clone();
                changes.extend(drops_context.then_some(("context", None)));
                legacy::back::request(&errand.method, params, &changes, errand.progress, token)
            }
        }
    }

    /// Writes a request of the gateway's own.
    pub(super) fn encode_own(&self, method: &str, param: Option<(&'static str, Raw)>, token: u64) -> Outgoing {
        let errand = Errand {
            caller: Arc::new(gateway_caller(&Profile::everything())),
            method: method.to_owned(),
            params: None,
            changes: param.into_iter().map(|(name, value)| (name, Some(value))).collect(),
            mirror: Mirror::default(),
            progress: ProgressInterest::Unwanted,
            verb: None,
            trace: Arc::default(),
            asker: None,
        };
        self.encode(&errand, token)
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
                modern::back::outcome(errand.verb, &errand.caller, answer).unwrap_or_else(|modern::back::NotAResult| {
                    Outcome::Failed(Fault::Broken(server.clone(), UpstreamFault::Garbled))
                })
            }
            Self::Legacy(_) => legacy::back::outcome(errand.verb, answer),
        }
    }

    /// Whether it is of the legacy era.
    pub(super) const fn is_legacy(&self) -> bool {
        matches!(self, Self::Legacy(_))
    }
}
