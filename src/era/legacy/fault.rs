//! Faults to what legacy clients understand, in this one place. The HTTP status is 200, since the request was well-formed, but where
//! HTTP itself has something to say: a limit, or a token that lacks scopes.
//!
//! Source: 2025-11-25 basic and server pages; codes of our own lie outside -32768…-32000.

use crate::{
    era::{Revision, code},
    jsonrpc::{ErrorObject, Raw},
    mcp::{Capabilities, Fault, Verb},
};

/// How a legacy client hears of a fault.
#[derive(Clone, Debug)]
pub enum Told {
    /// As a JSON-RPC error.
    Error(ErrorObject),
    /// As the result of a tool call that failed, so that the model reads the sentence.
    ToolError(String),
}

/// The error, or the failed result, for a client of that revision.
pub fn fault(fault: &Fault, verb: Option<Verb>, revision: Revision, capabilities: &Capabilities) -> Told {
    let error = |code, message: String| Told::Error(ErrorObject::new(code, message));
    match fault {
        Fault::InvalidParams(reason) => error(code::INVALID_PARAMS, (*reason).to_owned()),
        Fault::HeaderMismatch(reason) => error(code::INVALID_PARAMS, reason.clone()),
        Fault::UnknownMethod(method) => error(code::METHOD_NOT_FOUND, format!("Method not found: {method}")),
        Fault::UnknownTarget(kind, name) => error(code::INVALID_PARAMS, format!("Unknown {kind}: {name}")),
        Fault::ResourceNotFound(uri) => {
            let data = code::data(&[("uri", Raw::string(uri))]);
            Told::Error(ErrorObject::new(code::LEGACY_RESOURCE_NOT_FOUND, "Resource not found").with_data(data))
        }
        Fault::BadCursor => error(code::INVALID_PARAMS, "Invalid cursor: start the list again without one".to_owned()),
        Fault::BadState(reason) => error(code::INTERNAL_ERROR, format!("The server refused its own state: {reason}")),
        Fault::MissingCapability(required) => incapable(verb, required.as_str()),
        Fault::Unanswered(reason) => match verb {
            Some(Verb::CallTool) => Told::ToolError((*reason).to_owned()),
            _ => error(code::INTERNAL_ERROR, (*reason).to_owned()),
        },
        Fault::Denied => Told::Error(code::denied()),
        Fault::Scope(needed) => Told::Error(code::scope(needed)),
        Fault::TokenEnded => Told::Error(code::token_ended()),
        Fault::Consent(server, url) => match verb {
            Some(Verb::CallTool) => Told::ToolError(code::consent_sentence(server, url)),
            _ if revision >= Revision::V2025_11_25 && capabilities.profile.url => {
                Told::Error(code::url_required(server, url))
            }
            _ => Told::Error(code::consent(server, url)),
        },
        Fault::Upstream(upstream) => relayed(upstream, verb, revision, capabilities),
        Fault::Limited(limit, after) => Told::Error(code::limited(limit, *after)),
        Fault::Broken(server, what) => Told::Error(code::broken(server, *what)),
        Fault::Unaudited => Told::Error(code::unaudited()),
        Fault::Draining => Told::Error(code::draining()),
        Fault::Lost => Told::Error(code::lost()),
        Fault::Internal => error(code::INTERNAL_ERROR, "Internal error of the gateway".to_owned()),
    }
}

fn relayed(upstream: &ErrorObject, verb: Option<Verb>, revision: Revision, capabilities: &Capabilities) -> Told {
    match upstream.code {
        // These clients know no -32021; the sentence names what their client lacks.
        code::MISSING_CAPABILITY => {
            let required = upstream.data.as_ref().and_then(|data| data.member("requiredCapabilities"));
            incapable(verb, required.as_ref().map_or("{}", Raw::as_str))
        }
        code::URL_ELICITATION_REQUIRED if revision >= Revision::V2025_11_25 && capabilities.profile.url => {
            Told::Error(upstream.clone())
        }
        code::URL_ELICITATION_REQUIRED => incapable(verb, r#"{"elicitation":{"url":{}}}"#),
        _ => Told::Error(code::fit_for_relay(upstream)),
    }
}

fn incapable(verb: Option<Verb>, required: &str) -> Told {
    let sentence = format!(
        "This call needs something that your client cannot do; the server wants these client capabilities: {required}"
    );
    match verb {
        Some(Verb::CallTool) => Told::ToolError(sentence),
        _ => Told::Error(ErrorObject::new(code::INTERNAL_ERROR, sentence)),
    }
}

/// Another gateway of the deployment was lost with the request.
pub fn lost() -> ErrorObject {
    code::lost()
}

/// The session is unknown, ended, or somebody else's: the three look alike.
pub fn session_unknown() -> ErrorObject {
    ErrorObject::new(code::SESSION_NOT_FOUND, "Session not found: initialize again without the Mcp-Session-Id header")
}
