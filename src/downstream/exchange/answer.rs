//! Responses, made in one place.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::{
    era::{self, Refusal},
    jsonrpc::ErrorObject,
    mcp::{Fault, Limit, Outcome, Span},
};

use super::body::Body;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// A JSON message, which [`named`] will say that it is.
pub(super) fn json(status: u16, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::json(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// A JSON message with the time after which a retry makes sense.
pub(super) fn json_after(status: u16, body: Bytes, retry_after: Option<Duration>) -> Response<Body> {
    let mut response = json(status, body);
    if let Some(after) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds(after)));
    }
    response
}

fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Scopes that a call turned out to need: on a response until the gate makes its challenge of them.
#[derive(Clone)]
pub(super) struct NeededScopes(pub(super) Arc<[String]>);

/// The response with what HTTP has to say about the outcome: the limit that the call ran into, or the scopes that it needs.
pub(super) fn explained(mut response: Response<Body>, outcome: &Outcome) -> Response<Body> {
    if let Outcome::Failed(Fault::Scope(needed)) = outcome {
        response.extensions_mut().insert(NeededScopes(needed.clone()));
    }
    limited(response, outcome)
}

/// The response with the limit that the call ran into, if it did.
///
/// Source: draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4.
fn limited(mut response: Response<Body>, outcome: &Outcome) -> Response<Body> {
    let Outcome::Failed(Fault::Limited(Limit::Set(limit), after)) = outcome else { return response };
    let (name, quota) = (limit.policy(), limit.quota);
    let policy = match limit.span {
        Span::AtOnce => format!("\"{name}\";q={quota};qu=\"concurrent-requests\""),
        Span::Each(window) | Span::Calendar { length: window, .. } => {
            format!("\"{name}\";q={quota};w={}", window.as_secs())
        }
    };
    let left = format!("\"{name}\";r=0;t={}", seconds(*after));
    for (header, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(header, value);
        }
    }
    response
}

/// A request was refused before it was read: nobody knows its id or its era.
pub(super) fn too_many(fault: Fault) -> Response<Body> {
    let Fault::Limited(limit, after) = &fault else { return empty(StatusCode::INTERNAL_SERVER_ERROR) };
    let error = era::limited(limit, *after);
    let response = json_after(429, crate::jsonrpc::error_response(None, &error), Some(*after));
    limited(response, &Outcome::Failed(fault))
}

/// A stream of events. Proxies are told not to hold them back.
pub(super) fn stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, STREAM);
    response.headers_mut().insert(header::CACHE_CONTROL, NO_CACHE);
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Gives the response the room that the request's headers took: on HTTP/1.1 hyper reads the next ones into it.
pub(super) fn reuse(mut room: HeaderMap, response: &mut Response<Body>) {
    room.clear();
    let headers = std::mem::replace(response.headers_mut(), room);
    name(response);
    if !headers.is_empty() {
        response.headers_mut().extend(headers);
    }
}

/// Says what the body is, where nothing does. So late that the header needs no room of its own: most answers have no other.
fn name(response: &mut Response<Body>) {
    if response.body_mut().name_json() {
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    }
}

/// The response as it leaves, saying what its body is.
pub(super) fn named(mut response: Response<Body>) -> Response<Body> {
    name(&mut response);
    response
}

/// A status and nothing else.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A sentence for whoever does not speak MCP; a JSON-RPC error without id all the same.
pub(super) fn refuse(status: StatusCode, sentence: &str) -> Response<Body> {
    // -32600: the request is not one that this path takes.
    let error = ErrorObject::new(-32600, sentence);
    json(status.as_u16(), crate::jsonrpc::error_response(None, &error))
}

/// What the codecs refuse.
pub(super) fn refusal(refusal: Refusal) -> Response<Body> {
    json(refusal.status, refusal.body)
}

/// The method is not served on this path.
pub(super) fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_in_the_room_of_a_request_has_its_own_headers_and_no_other() {
        let mut room = HeaderMap::with_capacity(32);
        room.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        let mut response = stream(Body::empty());
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
        let expected = response.headers().clone();
        reuse(room, &mut response);
        assert_eq!(*response.headers(), expected);
        assert!(response.headers().capacity() >= 32, "or there was no use in it");
    }
}
