//! Towards legacy servers: calls to requests, messages to outcomes and questions.
//!
//! Sources: 2025-11-25 basic/lifecycle, server and client pages, and the same pages of older revisions.

use bytes::Bytes;

use crate::{
    era::{IMPLEMENTATION, Incoming, Outgoing, Revision, code, meta, notice},
    jsonrpc::{self, ErrorObject, Id, Message, MessageBody, Raw},
    mcp::{Answer, AskKind, CacheHint, Fault, Level, Offer, Outcome, Profile, ProgressInterest, Verb},
};

/// What the handshake settled.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The revision that the server answers in.
    pub revision: Revision,
    /// What it offers.
    pub offer: Offer,
}

/// `initialize`, asking for the newest legacy revision.
pub fn initialize(profile: &Profile) -> Outgoing {
    let params = meta::of_gateway(&[
        ("protocolVersion", Raw::string(Revision::NEWEST_LEGACY.name())),
        ("capabilities", profile.declaration()),
        ("clientInfo", IMPLEMENTATION),
    ]);
    Outgoing { method: "initialize".to_owned(), params: Some(params), headers: Vec::new() }
}

/// Reads the answer to `initialize`. `None` when the server speaks no revision that this gateway speaks, or nonsense.
pub fn handshake(result: &Raw) -> Option<Handshake> {
    let object = result.object().ok()?;
    let revision =
        Revision::parse(&object.text("protocolVersion")?).filter(|revision| *revision <= Revision::NEWEST_LEGACY)?;
    let capabilities = object.get("capabilities")?.object().ok()?;
    let spoken = super::front::spoken(revision);
    Some(Handshake { revision, offer: Offer::read(&capabilities, object.text("instructions")).speaking(spoken) })
}

/// `notifications/initialized`
pub fn initialized() -> Bytes {
    jsonrpc::notification("notifications/initialized", None)
}

/// Any method with a client's parameters, some of them changed.
pub fn request(
    method: &str,
    params: Option<&Raw>,
    changes: &[(&str, Option<Raw>)],
    progress: ProgressInterest,
    token: u64,
) -> Outgoing {
    let object = meta::object_or_empty(params);
    let own_meta = object.get("_meta").and_then(|own| own.object().ok());
    let edit = changes.iter().fold(object.edit(), |edit, (name, value)| match value {
        Some(value) => edit.set(name, value.clone()),
        None => edit.remove(name),
    });
    let edit = edit.remove_all(&["inputResponses", "requestState"]);
    let edit = match meta::for_legacy(own_meta.as_ref(), progress, token) {
        Some(own_meta) => edit.set("_meta", own_meta),
        None => edit.remove("_meta"),
    };
    let params = edit.finish();
    Outgoing { method: method.to_owned(), params: (params.as_str() != "{}").then_some(params), headers: Vec::new() }
}

/// `logging/setLevel`
pub fn set_level(level: Level) -> Outgoing {
    simple("logging/setLevel", "level", level.name())
}

/// `resources/subscribe`
pub fn subscribe(uri: &str) -> Outgoing {
    simple("resources/subscribe", "uri", uri)
}

/// `resources/unsubscribe`
pub fn unsubscribe(uri: &str) -> Outgoing {
    simple("resources/unsubscribe", "uri", uri)
}

fn simple(method: &str, name: &str, value: &str) -> Outgoing {
    Outgoing {
        method: method.to_owned(),
        params: Some(meta::of_gateway(&[(name, Raw::string(value))])),
        headers: Vec::new(),
    }
}

/// A message of a legacy server. `None` for what means nothing.
pub fn decode(message: Message) -> Option<Incoming> {
    match message.body {
        MessageBody::Response { id, result } => Some(Incoming::Answer(id, Ok(result))),
        MessageBody::Error { id: Some(id), error } => Some(Incoming::Answer(id, Err(error))),
        MessageBody::Error { id: None, error } => Some(Incoming::Complaint(error)),
        MessageBody::Notification { method, params } => notice::decode(&method, params),
        MessageBody::Request { id, method, .. } if method == "ping" => Some(Incoming::Ping(id)),
        MessageBody::Request { id, method, params } => Some(match AskKind::parse(&method) {
            Some(kind) => Incoming::Ask(id, kind, params),
            None => Incoming::Unknown(id),
        }),
    }
}

/// How a call ended. Legacy results carry no freshness: they are stale at once.
pub fn outcome(verb: Option<Verb>, answer: Result<Raw, ErrorObject>) -> Outcome {
    match answer {
        Ok(result) if verb == Some(Verb::ReadResource) => Outcome::Cacheable(result, CacheHint::NONE),
        Ok(result) => Outcome::Complete(result),
        Err(error) => Outcome::Failed(Fault::Upstream(error)),
    }
}

/// The client's answer to a question.
pub fn answer(id: &Id, answer: &Answer) -> Bytes {
    match answer {
        Ok(result) => jsonrpc::result_response(id, result),
        Err(error) => jsonrpc::error_response(Some(id.raw()), error),
    }
}

/// The answer to `ping`.
pub fn pong(id: &Id) -> Bytes {
    jsonrpc::result_response(id, &Raw::empty_object())
}

/// The answer to a request that nobody here can answer.
pub fn unknown(id: &Id) -> Bytes {
    jsonrpc::error_response(Some(id.raw()), &ErrorObject::new(code::METHOD_NOT_FOUND, "Method not found"))
}

/// The answer to a question that cannot be attached to one call in flight: guessing would show one user's question to another.
///
/// # Errors
/// The answer itself, where the question has no form of declining.
pub fn unattributable(kind: AskKind) -> Answer {
    match kind {
        AskKind::Elicit => Ok(Raw::literal(r#"{"action":"cancel"}"#)),
        AskKind::Sample | AskKind::Roots => {
            Err(ErrorObject::new(code::INTERNAL_ERROR, "No client request to attach this question to"))
        }
    }
}

/// The answer to a question that the client cannot be asked.
///
/// # Errors
/// Always: it is the answer.
pub fn undeclared(kind: AskKind) -> Answer {
    let code = if kind == AskKind::Elicit { code::INVALID_PARAMS } else { code::METHOD_NOT_FOUND };
    Err(ErrorObject::new(code, "The client did not declare the capability for this question"))
}

/// `notifications/cancelled` for a request of ours.
pub fn cancelled(id: &Id) -> (&'static str, Raw) {
    ("notifications/cancelled", meta::of_gateway(&[("requestId", id.raw().clone())]))
}

/// `notifications/roots/list_changed`
pub fn roots_changed() -> Bytes {
    jsonrpc::notification("notifications/roots/list_changed", None)
}
