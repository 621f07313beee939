//! Which era a POST belongs to: the table that lets both live on one path.
//!
//! The body decides, the version header is a cross-check, and nothing about the connection is remembered.
//!
//! Source: 2026-07-28 basic/versioning and streamable-http; the rows cited as P1…P18 are listed in docs/eras.md.

use bytes::Bytes;
use http::HeaderMap;

use crate::jsonrpc::{self, ErrorObject, Id, Malformed, Message, MessageBody, Raw};

use super::{
    Refusal, Revision, code, meta,
    modern::{
        front::{self, Request, refusal, unsupported_version},
        header::{self, single},
    },
};

/// What a POST is.
#[derive(Debug)]
pub enum Arrival {
    /// A modern request that passed the ladder.
    Modern(Box<Request>),
    /// A modern notification: accepted and dropped, since this era has none from clients over HTTP.
    ModernNotification,
    /// A legacy message; its session decides what it means.
    Legacy(Message),
    /// A legacy batch; only a 2025-03-26 session may send it.
    LegacyBatch(Vec<Result<Message, Malformed>>),
}

/// What the version header says.
enum Header<'a> {
    Absent,
    Legacy,
    Modern(&'a str),
    Unknown,
}

/// Limits of what is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nesting of JSON.
    pub depth: usize,
    /// Elements of a batch.
    pub batch: usize,
}

/// Tells what a POST is.
///
/// # Errors
/// The refusal that the table or the modern ladder prescribes.
pub fn classify(headers: &HeaderMap, body: Bytes, limits: Limits) -> Result<Arrival, Refusal> {
    let version = single(headers, &header::PROTOCOL_VERSION).map_err(|error| refusal(400, None, &error))?;
    let header = match version {
        None => Header::Absent,
        Some(version) if Revision::claims_modern(version) => Header::Modern(version),
        Some(version) if Revision::parse(version).is_some() => Header::Legacy,
        Some(_) => Header::Unknown,
    };
    match Message::parse(body.clone(), limits.depth) {
        Ok(message) => single_message(headers, &header, message),
        Err(Malformed::Batch) => batch(&header, body, limits),
        Err(error) => Err(malformed(&header, &error)),
    }
}

/// P1: an id that could not be read is left out for modern clients; legacy SDKs expect it to be null.
fn malformed(header: &Header<'_>, error: &Malformed) -> Refusal {
    let (code, id) = match error {
        Malformed::Syntax(_) => (code::PARSE_ERROR, None),
        Malformed::Shape { id, .. } => (code::INVALID_REQUEST, id.as_ref()),
        Malformed::Batch => (code::INVALID_REQUEST, None),
    };
    let null = Raw::literal("null");
    let id = id.map(Id::raw).or_else(|| (!matches!(header, Header::Modern(_))).then_some(&null));
    Refusal { status: 400, body: jsonrpc::error_response(id, &ErrorObject::new(code, error.to_string())) }
}

fn single_message(headers: &HeaderMap, header: &Header<'_>, message: Message) -> Result<Arrival, Refusal> {
    match message.body {
        MessageBody::Request { id, method, params } => request(headers, header, id, method, params),
        MessageBody::Notification { method, params } => notification(header, method, params),
        // P6: a modern client never answers, since it is never asked.
        body if matches!(header, Header::Modern(_)) => {
            drop(body);
            Err(refusal(
                400,
                None,
                &ErrorObject::new(code::INVALID_REQUEST, "A client of this revision sends no responses"),
            ))
        }
        body => legacy(header, Message { body }),
    }
}

fn claim(params: Option<&Raw>) -> Option<Raw> {
    params?.member("_meta")?.member(meta::PROTOCOL_VERSION)
}

fn request(
    headers: &HeaderMap,
    header: &Header<'_>,
    id: Id,
    method: String,
    params: Option<Raw>,
) -> Result<Arrival, Refusal> {
    // Looked for only where the header leaves it open: it costs a pass over the parameters.
    let claims = || claim(params.as_ref()).is_some();
    match header {
        // P9: the handshake of one era under the header of the other.
        Header::Modern(_) if method == "initialize" && !claims() => {
            let error = ErrorObject::new(
                code::INVALID_PARAMS,
                "`initialize` belongs to revisions before 2026-07-28: leave out the header, or send `server/discover`",
            );
            Err(refusal(400, Some(&id), &error))
        }
        // P7, P10–P14.
        Header::Modern(_) => modern(headers, id, method, params),
        _ if claims() => modern(headers, id, method, params),
        // P8: a handshake is legacy whatever version it names.
        _ if method == "initialize" => {
            Ok(Arrival::Legacy(Message { body: MessageBody::Request { id, method, params } }))
        }
        // P15, P16.
        _ => legacy(header, Message { body: MessageBody::Request { id, method, params } }),
    }
}

fn modern(headers: &HeaderMap, id: Id, method: String, params: Option<Raw>) -> Result<Arrival, Refusal> {
    front::decode(headers, id, method, params).map(|request| Arrival::Modern(Box::new(request)))
}

/// P17, P18. A posted `notifications/cancelled` is never acted on: a client-chosen id would let one caller cancel another.
fn notification(header: &Header<'_>, method: String, params: Option<Raw>) -> Result<Arrival, Refusal> {
    match header {
        Header::Modern(version) if Revision::parse(version).is_none() => {
            Err(refusal(400, None, &unsupported_version(version)))
        }
        Header::Modern(_) => Ok(Arrival::ModernNotification),
        _ if claim(params.as_ref()).is_some() => Ok(Arrival::ModernNotification),
        _ => legacy(header, Message { body: MessageBody::Notification { method, params } }),
    }
}

fn legacy(header: &Header<'_>, message: Message) -> Result<Arrival, Refusal> {
    if matches!(header, Header::Unknown) {
        return Err(unknown_version(&message));
    }
    Ok(Arrival::Legacy(message))
}

/// P16.
fn unknown_version(message: &Message) -> Refusal {
    let id = match &message.body {
        MessageBody::Request { id, .. } => Some(id),
        _ => None,
    };
    let known = Revision::ALL.map(Revision::name).join(", ");
    refusal(400, id, &ErrorObject::new(code::INVALID_REQUEST, format!("MCP-Protocol-Version must be one of {known}")))
}

/// P2–P4. Whether the session may send batches is the session's to say.
fn batch(header: &Header<'_>, body: Bytes, limits: Limits) -> Result<Arrival, Refusal> {
    let invalid = |reason: &str| {
        let error = ErrorObject::new(code::INVALID_REQUEST, reason);
        Refusal { status: 400, body: jsonrpc::error_response(Some(&Raw::literal("null")), &error) }
    };
    let elements = jsonrpc::batch(body, limits.depth).map_err(|error| malformed(header, &error))?;
    if matches!(header, Header::Modern(_) | Header::Unknown) {
        return Err(invalid("Batches exist only in revision 2025-03-26"));
    }
    if elements.is_empty() || elements.len() > limits.batch {
        return Err(invalid("A batch must have at least one element, and not more than the gateway's limit"));
    }
    if elements.iter().any(Result::is_err) {
        return Err(invalid("An element of the batch is not a JSON-RPC message"));
    }
    let claims = |element: &Result<Message, Malformed>| match element.as_ref().map(|message| &message.body) {
        Ok(MessageBody::Request { params, .. } | MessageBody::Notification { params, .. }) => {
            claim(params.as_ref()).is_some()
        }
        _ => false,
    };
    if elements.iter().any(claims) {
        return Err(invalid("Batches exist only in revision 2025-03-26"));
    }
    Ok(Arrival::LegacyBatch(elements))
}
