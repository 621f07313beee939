//! Towards legacy servers: calls to requests, messages to outcomes and questions.
//!
//! Sources: 2025-11-25 basic/lifecycle, server and client pages, and the same pages of older revisions.

use bytes::Bytes;

use crate::{
    era::{IMPLEMENTATION, Incoming, Method, Outgoing, Revision, code, meta, notice},
    jsonrpc::{self, ErrorObject, Id, Kind, Message, MessageBody, Object, Raw},
    mcp::{
        Answer, AskKind, CacheHint, Fault, Level, Offer, Outcome, Params, Profile, ProgressInterest, Unanswered, Verb,
        signed,
    },
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
    let mut capabilities = profile.declaration();
    // Only this era tells that roots changed, so that other declarations leave it out.
    if let (true, Ok(declared)) = (profile.roots_changed, capabilities.object()) {
        capabilities = declared.edit().set("roots", Raw::literal(r#"{"listChanged":true}"#)).finish();
    }
    let params = meta::of_gateway(&[
        ("protocolVersion", Raw::string(Revision::NEWEST_LEGACY.name())),
        ("capabilities", capabilities),
        ("clientInfo", IMPLEMENTATION),
    ]);
    Outgoing { method: "initialize".into(), params: Some(params), headers: Vec::new() }
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
    method: Method,
    params: &Params,
    changes: &[(&str, Option<Raw>)],
    progress: ProgressInterest,
    token: u64,
) -> Outgoing {
    let edit = changes.iter().fold(params.object().edit(), |edit, (name, value)| match value {
        Some(value) => edit.set(name, value.clone()),
        None => edit.remove(name),
    });
    let edit = edit.remove_all(&["inputResponses", "requestState"]);
    let edit = match meta::for_legacy(params.own_meta(), progress, token) {
        Some(own_meta) => edit.set("_meta", own_meta),
        None => edit.remove("_meta"),
    };
    let params = edit.finish();
    Outgoing { method, params: (params.as_str() != "{}").then_some(params), headers: Vec::new() }
}

/// Asks whether it lives (2025-11-25 basic/utilities/ping).
pub fn ping() -> Outgoing {
    Outgoing { method: "ping".into(), params: None, headers: Vec::new() }
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

fn simple(method: &'static str, name: &str, value: &str) -> Outgoing {
    Outgoing {
        method: method.into(),
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
        Err(Unanswered::Refused(error) | Unanswered::NotPut(error) | Unanswered::GivenUp(error)) => {
            jsonrpc::error_response(Some(id.raw()), error)
        }
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
            let error = ErrorObject::new(code::INTERNAL_ERROR, "No client request to attach this question to");
            Err(Unanswered::NotPut(error))
        }
    }
}

/// The answer to a question that the client cannot be asked.
///
/// # Errors
/// Always: it is the answer.
pub fn undeclared(kind: AskKind) -> Answer {
    let code = if kind == AskKind::Elicit { code::INVALID_PARAMS } else { code::METHOD_NOT_FOUND };
    Err(Unanswered::NotPut(ErrorObject::new(code, "This question cannot be put to the client")))
}

/// The answer to a question whose client went away without one.
///
/// # Errors
/// The answer itself, where the question has no form of declining; -1 is what the specification's example says of a user who refused
/// to sample.
pub fn given_up(kind: AskKind) -> Answer {
    let code = match kind {
        AskKind::Elicit => return Ok(Raw::literal(r#"{"action":"cancel"}"#)),
        AskKind::Sample => -1,
        AskKind::Roots => code::INTERNAL_ERROR,
    };
    Err(Unanswered::GivenUp(ErrorObject::new(code, "The client did not answer in time")))
}

/// The questions in a server's error that a URL must be visited first (2025-11-25, `-32042`), as `inputRequests`: the call is to be
/// made again when the user has been there. `None` for any other error.
pub fn urls_first(error: &ErrorObject) -> Option<Raw> {
    let elicitations = urls(error)?;
    let object = Object::default();
    let keys: Vec<String> = (1..=elicitations.len()).map(|number| format!("url{number}")).collect();
    let mut edit = object.edit();
    for (key, params) in keys.iter().zip(&elicitations) {
        let params = params.object().ok()?.edit().set("mode", Raw::literal("\"url\"")).remove("elicitationId").finish();
        edit =
            edit.set(key, meta::of_gateway(&[("method", Raw::literal("\"elicitation/create\"")), ("params", params)]));
    }
    Some(edit.finish())
}

/// Such an error with messages that say which server asks.
pub fn signed_urls(error: ErrorObject, asker: &str) -> ErrorObject {
    let (Some(elicitations), Some(data)) = (urls(&error), error.data.as_ref().and_then(|data| data.object().ok()))
    else {
        return error;
    };
    let elicitations = jsonrpc::array(elicitations.iter().map(|params| signed(params, asker)));
    error.with_data(data.edit().set("elicitations", elicitations).finish())
}

/// The ids by which a server will tell that the URLs of such an error were visited.
pub fn elicitation_ids(error: &ErrorObject) -> Vec<String> {
    let ids = urls(error).unwrap_or_default();
    ids.iter().filter_map(|params| params.member("elicitationId")?.text().map(std::borrow::Cow::into_owned)).collect()
}

fn urls(error: &ErrorObject) -> Option<Vec<Raw>> {
    let elicitations = error.data.as_ref().filter(|_| error.code == code::URL_ELICITATION_REQUIRED)?;
    let elicitations = elicitations.member("elicitations")?.elements()?;
    let is_url = |params: &Raw| params.member("url").is_some_and(|url| url.kind() == Kind::String);
    (!elicitations.is_empty() && elicitations.iter().all(is_url)).then_some(elicitations)
}

/// `notifications/cancelled` for a request of ours.
pub fn cancelled(id: &Id) -> (&'static str, Raw) {
    ("notifications/cancelled", meta::of_gateway(&[("requestId", id.raw().clone())]))
}

/// `notifications/roots/list_changed`
pub fn roots_changed() -> Bytes {
    jsonrpc::notification("notifications/roots/list_changed", None)
}
