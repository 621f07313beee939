//! Error codes of JSON-RPC, of MCP and of this gateway, and the errors that both eras say alike.

use std::time::Duration;

use crate::{
    clock,
    jsonrpc::{ErrorObject, Raw},
    mcp::{Limit, Per, Span, UpstreamFault},
};

/// JSON-RPC: not JSON.
pub(super) const PARSE_ERROR: i64 = -32700;
/// JSON-RPC: not a request.
pub(super) const INVALID_REQUEST: i64 = -32600;
/// JSON-RPC: no such method, or one behind a capability that is not offered.
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC: parameters that make no sense.
pub const INVALID_PARAMS: i64 = -32602;
/// JSON-RPC: a mistake inside.
pub(super) const INTERNAL_ERROR: i64 = -32603;
/// 2026-07-28: a header contradicts the body.
pub const HEADER_MISMATCH: i64 = -32020;
/// 2026-07-28: a client capability is needed.
pub(super) const MISSING_CAPABILITY: i64 = -32021;
/// 2026-07-28: the revision is not served.
pub(super) const UNSUPPORTED_VERSION: i64 = -32022;
/// Until 2025-11-25: no such resource.
pub(super) const LEGACY_RESOURCE_NOT_FOUND: i64 = -32002;
/// 2025-11-25: a URL must be visited first.
pub(super) const URL_ELICITATION_REQUIRED: i64 = -32042;
/// Until 2025-11-25, by the SDKs: the session is not known.
pub(super) const SESSION_NOT_FOUND: i64 = -32001;

/// Ours: the server cannot be reached, or went away.
pub(super) const UNAVAILABLE: i64 = 1001;
/// Ours: the server did not answer in time.
pub(super) const TIMEOUT: i64 = 1002;
/// Ours: the policy does not allow it.
pub(super) const DENIED: i64 = 1003;
/// Ours: too much at once.
pub(super) const LIMITED: i64 = 1004;
/// Ours: the server's answer is no MCP, or too large.
pub(super) const GARBLED: i64 = 1005;
/// Ours: the gateway is shutting down.
pub(super) const DRAINING: i64 = 1006;

/// When to come back to a gateway that is shutting down: another replica or its successor is up by then.
pub(super) const DRAINING_RETRY: Duration = Duration::from_secs(1);

/// Ours: the token lacks scopes.
pub(super) const SCOPE: i64 = 1007;
/// Ours: the audit log cannot be written.
pub(super) const UNAUDITED: i64 = 1008;
/// When to come back: as often as writing is tried again.
pub(super) const UNAUDITED_RETRY: Duration = Duration::from_secs(1);

/// The audit log cannot be written, and nothing is to be done without it.
pub(super) fn unaudited() -> ErrorObject {
    ErrorObject::new(UNAUDITED, "This gateway takes no calls while its audit log cannot be written; try again later")
}

/// Ours: the token ended while the call was made.
pub(super) const TOKEN_ENDED: i64 = 1009;

/// Ours: the caller must agree first that a server is called in their name.
pub(super) const CONSENT: i64 = 1010;

/// Ours: another gateway of the deployment was lost with the call.
pub(super) const LOST: i64 = 1011;

/// A `data` object.
pub(super) fn data(members: &[(&str, Raw)]) -> Raw {
    super::meta::of_gateway(members)
}

/// Too much at once.
pub fn limited(limit: &Limit, after: Duration) -> ErrorObject {
    let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    let mut members =
        vec![("limit", Raw::string(&limit.to_string())), ("retryAfterMs", Raw::from_value(&milliseconds))];
    if let Limit::Set(set) = limit {
        members.push(("per", counted_apart(&set.per)));
        members.push(("policy", Raw::string(&set.policy())));
        if let Span::Calendar { resets, .. } = set.span {
            members.push(("resets", Raw::string(&clock::moment(resets.as_secs()))));
        }
    }
    let data = data(&members);
    ErrorObject::new(LIMITED, format!("Limit reached: {limit}; try again in {milliseconds} ms")).with_data(data)
}

/// The policy does not allow this call, and might allow another one of the same thing.
pub(super) fn denied() -> ErrorObject {
    ErrorObject::new(DENIED, "The policy of this gateway does not allow this call with these arguments")
}

/// The token lacks scopes: which to ask for, all at once.
pub(super) fn scope(needed: &[String]) -> ErrorObject {
    let data = data(&[("scopes", Raw::from_value(&needed))]);
    let sentence = format!("The token lacks a scope: ask for a token with these scopes: {}", needed.join(" "));
    ErrorObject::new(SCOPE, sentence).with_data(data)
}

/// One word, or a list of them.
fn counted_apart(per: &[Per]) -> Raw {
    match per {
        [only] => Raw::string(only.name()),
        several => Raw::from_value(&several.iter().map(|per| per.name()).collect::<Vec<_>>()),
    }
}

/// The token ended while the call was made.
pub(super) fn token_ended() -> ErrorObject {
    ErrorObject::new(TOKEN_ENDED, "The token ended during the call, which was given up; call again with a new token")
}

/// What a caller is told who must agree first.
pub(super) fn consent_sentence(server: &str, url: &str) -> String {
    format!("The server `{server}` is called in your name once you agree: open {url} in a browser, then call again")
}

/// The caller must agree first: where.
pub(super) fn consent(server: &str, url: &str) -> ErrorObject {
    let data = data(&[("server", Raw::string(server)), ("url", Raw::string(url))]);
    ErrorObject::new(CONSENT, consent_sentence(server, url)).with_data(data)
}

/// The same in the form of 2025-11-25.
pub(super) fn url_required(server: &str, url: &str) -> ErrorObject {
    let id = url.rsplit('/').next().unwrap_or_default();
    let sentence = consent_sentence(server, url);
    let asked = serde_json::json!({ "elicitations": [{ "mode": "url", "elicitationId": id, "url": url, "message": sentence }] });
    ErrorObject::new(URL_ELICITATION_REQUIRED, sentence.clone()).with_data(Raw::from_value(&asked))
}

/// A server broke down.
pub(super) fn broken(server: &str, what: UpstreamFault) -> ErrorObject {
    let code = match what {
        UpstreamFault::Timeout | UpstreamFault::Hung => TIMEOUT,
        UpstreamFault::Garbled | UpstreamFault::TooLarge => GARBLED,
        UpstreamFault::Unavailable
        | UpstreamFault::Unconfined
        | UpstreamFault::Gone
        | UpstreamFault::Parked
        | UpstreamFault::Unauthorized
        | UpstreamFault::NoToken
        | UpstreamFault::TokensAway
        | UpstreamFault::Unconnected
        | UpstreamFault::Overloaded
        | UpstreamFault::Busy(_)
        | UpstreamFault::LeftAlone(_)
        | UpstreamFault::ServerError
        | UpstreamFault::Refused
        | UpstreamFault::Incompatible => UNAVAILABLE,
    };
    let after = what.retry_after().map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    let mut members = vec![("server", Raw::string(server))];
    members.extend(after.map(|milliseconds| ("retryAfterMs", Raw::from_value(&milliseconds))));
    ErrorObject::new(code, format!("The server `{server}` {what}")).with_data(data(&members))
}

/// The gateway is shutting down.
pub(super) fn draining() -> ErrorObject {
    ErrorObject::new(DRAINING, "The gateway is shutting down; connect again")
}

/// Another gateway of the deployment was lost with the call.
pub(super) fn lost() -> ErrorObject {
    let sentence = "The part of the gateway that worked on this call was lost; whether it was carried out is not known";
    ErrorObject::new(LOST, sentence)
}

/// A server's error as it may pass to a client of any era: codes about framing and reserved ones concern our own leg.
pub(super) fn fit_for_relay(error: &ErrorObject) -> ErrorObject {
    let ours = matches!(error.code, INVALID_REQUEST | PARSE_ERROR)
        || (-32099..=-32020).contains(&error.code)
        || error.code == URL_ELICITATION_REQUIRED;
    if !ours {
        return error.clone();
    }
    let data = data(&[("upstreamCode", Raw::from_value(&error.code))]);
    ErrorObject::new(INTERNAL_ERROR, error.message.clone()).with_data(data)
}
