//! One POST to an upstream and what comes of it, in either era.
//!
//! Sources: 2026-07-28 and 2025-11-25 basic/transports (Streamable HTTP); RFC 9110 section 15, RFC 6585 section 4 (429).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{
    clock,
    era::{Incoming, Revision, legacy},
    jsonrpc::{self, ErrorObject, Id, MAX_DEPTH, Message, Raw},
    mcp::{Principal, Profile, UpstreamFault},
};

use super::{
    credential::{Courier, unreachable},
    session::{Session, retry_after},
    wire::http::{self as wire, Body, Pin, To},
};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The longest error body that is read for its JSON-RPC error.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// What an upstream answered to a POST.
#[expect(clippy::large_enum_variant, reason = "moved once, where it is made")]
pub(super) enum Posted {
    /// One message, or what should be one.
    Whole(StatusCode, Bytes),
    /// Messages still arriving.
    Stream(Body),
    /// Nothing.
    Empty,
    /// The session is not known (any more).
    SessionUnknown,
}

/// What an upstream answered to a GET.
#[expect(clippy::large_enum_variant, reason = "moved once, where it is made")]
pub(super) enum Got {
    /// A stream.
    Stream(Body),
    /// The session is not known (any more).
    SessionUnknown,
    /// It has no such stream.
    Nothing,
}

/// An answer and the session that came with it.
pub(super) struct Opened {
    pub(super) posted: Posted,
    pub(super) session: Option<HeaderValue>,
    /// The replica that answered.
    pub(super) from: Pin,
}

/// Sends one POST in the name of `by`, or of the group's principal.
pub(super) async fn post(
    courier: &Courier,
    body: Bytes,
    headers: HeaderMap,
    max_message_bytes: usize,
    (by, to): (Option<&Principal>, To<'_>),
) -> Result<Opened, UpstreamFault> {
    let had_session = headers.contains_key(SESSION_ID);
    let request = wire::Outgoing { method: Method::POST, target: None, headers, body };
    let incoming = courier.send(request, by, to).await?;
    let (from, status) = (incoming.from, incoming.status);
    let session = incoming.headers.get(SESSION_ID).cloned();
    let is_stream = media_type(&incoming.headers) == Some("text/event-stream");
    let posted = match status {
        StatusCode::NOT_FOUND if had_session => Posted::SessionUnknown,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(UpstreamFault::Unauthorized),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            return Err(overloaded(status, &incoming.headers));
        }
        StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Posted::Empty,
        status if status.is_success() && is_stream => Posted::Stream(incoming.body),
        status => {
            let limit = if status.is_success() { max_message_bytes } else { MAX_ERROR_BYTES };
            Posted::Whole(status, incoming.body.collect(limit).await.map_err(|fault| unreachable(&fault))?)
        }
    };
    Ok(Opened { posted, session, from })
}

/// Too many requests, or no service at the moment; the server may say when to come back (RFC 9110 section 10.2.3, RFC 6585 section 4).
fn overloaded(status: StatusCode, headers: &HeaderMap) -> UpstreamFault {
    match (retry_after(headers, clock::unix_time()), status) {
        (Some(after), _) => UpstreamFault::Busy(after),
        (None, StatusCode::TOO_MANY_REQUESTS) => UpstreamFault::Overloaded,
        (None, _) => UpstreamFault::ServerError,
    }
}

pub(super) fn media_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next().map(str::trim)
}

/// The headers by which a request of a legacy session is known.
pub(super) fn name_session(revision: Revision, session: Option<&Session>, headers: &mut HeaderMap) {
    headers.insert(VERSION, HeaderValue::from_static(revision.name()));
    if let Some(session) = session {
        headers.insert(SESSION_ID, session.id().clone());
    }
}

/// The headers of every POST.
pub(super) fn post_headers(outgoing: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(outgoing.len() + 4);
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::ACCEPT, BOTH);
    for (name, value) in outgoing {
        headers.append(name.clone(), value.clone());
    }
    headers
}

/// The legacy handshake: the session it opens, and what the server answers.
pub(super) async fn initialize(
    courier: &Courier,
    profile: &Profile,
    max_message_bytes: usize,
) -> Result<(Option<Session>, Result<Raw, ErrorObject>), UpstreamFault> {
    let outgoing = legacy::back::initialize(profile);
    let body = jsonrpc::request(&Id::from(0), &outgoing.method, outgoing.params.as_ref());
    let opened = post(courier, body, post_headers(&outgoing.headers), max_message_bytes, (None, To::SESSION)).await?;
    let session = opened.session.map(|id| Session::new(id, &opened.from));
    let answer = first_answer(opened.posted, &Id::from(0), max_message_bytes).await?;
    Ok((session, answer))
}

/// The answer in a POST's content, whatever its form.
pub(super) async fn first_answer(
    posted: Posted,
    id: &Id,
    _max_message_bytes: usize,
) -> Result<Result<Raw, ErrorObject>, UpstreamFault> {
    let judge = |data: Bytes| match Message::parse(data, MAX_DEPTH).map(legacy::back::decode) {
        Ok(Some(Incoming::Answer(answered, answer))) if answered == *id => Some(answer),
        Ok(Some(Incoming::Complaint(error))) => Some(Err(error)),
        _ => None,
    };
    match posted {
        Posted::Whole(status, data) => judge(data).ok_or(if status.is_server_error() {
            UpstreamFault::ServerError
        } else {
            UpstreamFault::Garbled
        }),
        Posted::Stream(mut body) => {
            while let Some(event) = body.next_event().await.map_err(|fault| unreachable(&fault))? {
                if let Some(answer) = judge(event.data) {
                    return Ok(answer);
                }
            }
            Err(UpstreamFault::Gone)
        }
        Posted::Empty | Posted::SessionUnknown => Err(UpstreamFault::Garbled),
    }
}
