//! Faults to the codes and statuses of 2026-07-28, in this one place.
//!
//! Sources: 2026-07-28 basic/index (Error Codes), streamable-http; codes of our own lie outside -32768…-32000.

use std::time::Duration;

use crate::{
    era::code,
    jsonrpc::{ErrorObject, Raw},
    mcp::{Fault, Limit},
};

/// The HTTP status, the error, and after how long a retry makes sense.
pub fn fault(fault: &Fault) -> (u16, ErrorObject, Option<Duration>) {
    let plain = |status, code, message: String| (status, ErrorObject::new(code, message), None);
    match fault {
        Fault::InvalidParams(reason) => plain(200, code::INVALID_PARAMS, (*reason).to_owned()),
        Fault::HeaderMismatch(reason) => plain(400, code::HEADER_MISMATCH, reason.clone()),
        Fault::UnknownMethod(method) => plain(404, code::METHOD_NOT_FOUND, format!("Method not found: {method}")),
        Fault::UnknownTarget(kind, name) => plain(200, code::INVALID_PARAMS, format!("Unknown {kind}: {name}")),
        Fault::ResourceNotFound(uri) => {
            let data = code::data(&[("uri", Raw::string(uri))]);
            (200, ErrorObject::new(code::INVALID_PARAMS, "Resource not found").with_data(data), None)
        }
        Fault::BadCursor => {
            plain(200, code::INVALID_PARAMS, "Invalid cursor: start the list again without one".to_owned())
        }
        Fault::BadState(reason) => {
            let data = code::data(&[("reason", Raw::string(reason))]);
            (
                200,
                ErrorObject::new(code::INVALID_PARAMS, "Invalid requestState: call again without it to start over")
                    .with_data(data),
                None,
            )
        }
        Fault::MissingCapability(required) => {
            let data = code::data(&[("requiredCapabilities", required.clone())]);
            (
                400,
                ErrorObject::new(code::MISSING_CAPABILITY, "This call needs a client capability that was not declared")
                    .with_data(data),
                None,
            )
        }
        Fault::Denied => (200, code::denied(), None),
        // RFC 6750 section 3.1; the challenge is the front's to add.
        Fault::Scope(needed) => (403, code::scope(needed), None),
        Fault::TokenEnded => (401, code::token_ended(), None),
        Fault::Consent(server, url) => (200, code::consent(server, url), None),
        Fault::Unanswered(reason) => plain(200, code::INTERNAL_ERROR, (*reason).to_owned()),
        Fault::Upstream(error) => upstream(error),
        Fault::Limited(limit, after) => (limited_status(limit), code::limited(limit, *after), Some(*after)),
        Fault::Broken(server, what) => (200, code::broken(server, *what), what.retry_after()),
        Fault::Unaudited => (503, code::unaudited(), Some(code::UNAUDITED_RETRY)),
        Fault::Lost => (200, code::lost(), None),
        Fault::Draining => (503, code::draining(), Some(code::DRAINING_RETRY)),
        Fault::Internal => plain(200, code::INTERNAL_ERROR, "Internal error of the gateway".to_owned()),
    }
}

/// The caller's own doing is 429 (RFC 6585), the gateway's condition 503.
const fn limited_status(limit: &Limit) -> u16 {
    if matches!(limit, Limit::Set(_)) { 429 } else { 503 }
}

/// A server's own error. Codes that only one leg may speak of do not pass.
fn upstream(error: &ErrorObject) -> (u16, ErrorObject, Option<Duration>) {
    match error.code {
        code::METHOD_NOT_FOUND => (404, error.clone(), None),
        // 2026-07-28 knows no -32002: a resource that is not there is -32602.
        code::LEGACY_RESOURCE_NOT_FOUND => (200, error.clone().with_code(code::INVALID_PARAMS), None),
        code::MISSING_CAPABILITY => (400, error.clone(), None),
        _ => (200, code::fit_for_relay(error), None),
    }
}
