//! The headers by which a browser lets a page use the gateway. Never `*`: the origin is named, and `Vary` says so.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, VARY,
    },
};

/// What MCP clients send (2026-07-28 and older, basic/transports), besides the parameters that mirror a tool's arguments.
const REQUEST_HEADERS: &str =
    "authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id";

/// Headers that mirror a tool's arguments (2026-07-28 streamable-http, `Mcp-Param-*`); their names are the tool's.
const MIRROR_PREFIX: &str = "mcp-param-";

/// What a page must be able to read of an answer.
const ANSWER_HEADERS: HeaderValue =
    HeaderValue::from_static("mcp-session-id, www-authenticate, retry-after, ratelimit, ratelimit-policy");

const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, DELETE");

/// How long a browser may keep the answer to a preflight: ten minutes, so that a changed configuration is soon seen.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("600");

pub(super) fn answer(origin: &HeaderValue) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(4);
    out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    out.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
    out.insert(VARY, HeaderValue::from_static("origin"));
    out
}

pub(super) fn preflight(origin: &HeaderValue, request: &HeaderMap) -> Option<HeaderMap> {
    request.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    let mut out = answer(origin);
    out.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    out.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(request));
    out.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
    out.insert(VARY, HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers"));
    Some(out)
}

fn allowed_headers(request: &HeaderMap) -> HeaderValue {
    let mut allowed = REQUEST_HEADERS.to_owned();
    for name in requested(request).filter(|name| name.as_str().starts_with(MIRROR_PREFIX)) {
        allowed.push_str(", ");
        allowed.push_str(name.as_str());
    }
    HeaderValue::try_from(allowed).unwrap_or(HeaderValue::from_static(REQUEST_HEADERS))
}

/// The names asked for; what is no header name is left out.
fn requested(request: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let lists = request.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).filter_map(|name| HeaderName::try_from(name.trim()).ok())
}
