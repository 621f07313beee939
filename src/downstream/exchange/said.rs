//! Answers of the gateway's own making to legacy clients, and the status that they go out with.

use bytes::Bytes;
use http::Response;

use crate::{
    era::legacy::{self, front},
    jsonrpc::{ErrorObject, Id},
    mcp::{Fault, Limit, Outcome},
};

use super::{answer, body::Body};

/// An answer, and why it is an error.
pub(super) struct Said {
    pub(super) body: Bytes,
    fault: Option<Fault>,
}

impl Said {
    /// It was done.
    pub(super) fn done(id: &Id) -> Self {
        Self { body: front::done(id), fault: None }
    }

    /// It was not done; the sentence says why.
    pub(super) fn not_done(id: &Id, sentence: &str) -> Self {
        Self { body: front::refusal(Some(id), &ErrorObject::new(-32602, sentence)), fault: None }
    }

    /// A fault as the answer to something other than a tool call.
    pub(super) fn refused(id: &Id, fault: Fault, codec: &front::Session) -> Self {
        let body = match legacy::fault(&fault, None, codec.revision, &codec.capabilities) {
            legacy::Told::Error(error) => front::refusal(Some(id), &error),
            legacy::Told::ToolError(sentence) => front::refusal(Some(id), &ErrorObject::new(-32603, sentence)),
        };
        Self { body, fault: Some(fault) }
    }

    /// As the answer to a POST.
    pub(super) fn response(self) -> Response<Body> {
        match self.fault {
            Some(fault) => response(self.body, &Outcome::Failed(fault)),
            None => answer::json(200, self.body),
        }
    }
}

/// An outcome as the answer to a POST: 200, since the request was well-formed, but for two things that are HTTP's to say.
pub(super) fn response(body: Bytes, outcome: &Outcome) -> Response<Body> {
    let response = match outcome {
        // In every revision with authorization: the challenge is what clients act on.
        Outcome::Failed(Fault::Scope(_)) => answer::json(403, body),
        // RFC 6585 section 4: what is in between sees it as well.
        Outcome::Failed(Fault::Limited(Limit::Set(_), after)) => answer::json_after(429, body, Some(*after)),
        _ => answer::json(200, body),
    };
    answer::explained(response, outcome)
}
