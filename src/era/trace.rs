//! A call's trace in its two places: the members of `_meta` that both eras have, and the headers of HTTP.
//!
//! `_meta` comes first: it was written by whoever made the call, while headers may be of anybody on the way.
//!
//! Source: 2026-07-28 basic/index (`_meta`); W3C Trace Context, section 3.2.1; W3C Baggage, section 3.3.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    jsonrpc::{Object, Raw},
    mcp::{Params, TRACE_MEMBERS, TraceContext},
};

/// The headers, in the order of [`TRACE_MEMBERS`], whose names they have.
static HEADERS: [HeaderName; 3] = {
    let [parent, state, baggage] = TRACE_MEMBERS;
    [HeaderName::from_static(parent), HeaderName::from_static(state), HeaderName::from_static(baggage)]
};

/// What `_meta` says; `None` when it says nothing, so that nothing needs to be taken out either.
pub(super) fn of_meta(own: &Object) -> Option<TraceContext> {
    if !TRACE_MEMBERS.iter().any(|name| own.has(name)) {
        return None;
    }
    let found = TRACE_MEMBERS.map(|name| own.get(name));
    let [parent, state, baggage] = found.each_ref().map(|value| value.as_ref().and_then(Raw::text));
    Some(TraceContext::read(parent.as_deref(), state.as_deref(), baggage.as_deref()))
}

/// What the headers say; `None` when they say nothing.
fn of_headers(headers: &HeaderMap) -> Option<TraceContext> {
    // Their names are compared with the few that there are, which takes less than to look each of them up.
    if !headers.keys().any(|name| HEADERS.contains(name)) {
        return None;
    }
    let [parent, state, baggage] = &HEADERS;
    // Two parents cannot both be right; lists may be spread over several headers.
    let mut parents = headers.get_all(parent).iter().map(HeaderValue::to_str);
    let only = parents.next().and_then(Result::ok).filter(|_| parents.next().is_none());
    let (state, baggage) = (list(headers, state), list(headers, baggage));
    Some(TraceContext::read(only, state.as_deref(), baggage.as_deref()))
}

fn list(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Option<Vec<&str>> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
    values.filter(|values| !values.is_empty()).map(|values| values.join(","))
}

/// What a request says of its trace, in either place.
pub fn read(of_meta: Option<TraceContext>, headers: &HeaderMap) -> Option<TraceContext> {
    match (of_meta, of_headers(headers)) {
        (None, of_headers) => of_headers,
        (Some(of_meta), of_headers) => Some(of_meta.or(of_headers)),
    }
}

/// The parameters with a trace in `_meta`, in the place of whatever stands there.
pub fn into_params(params: &Params, context: &TraceContext) -> Params {
    let empty = Object::default();
    let own = params.own_meta().unwrap_or(&empty);
    let edit = context.members().into_iter().fold(own.edit(), |edit, (name, value)| match value {
        Some(value) => edit.set(name, Raw::string(&value)),
        None => edit.remove(name),
    });
    params.with_meta(edit.finish())
}

/// The headers that carry a trace.
pub fn headers(context: &TraceContext) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    context
        .members()
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value?).ok()?)))
}
