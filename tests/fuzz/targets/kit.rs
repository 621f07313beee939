//! What the targets share: samples of what the rest of the gateway would supply, and the checks that hold for every message.
#![forbid(unsafe_code)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use myelin::{
    clock,
    jsonrpc::{Message, MessageBody, Raw},
    mcp::{
        Ask, AskId, AskKind, CacheHint, CacheScope, Caller, Capabilities, Fault, Filter, Level, Limit, ListKind, LogInterest, Notice, Offer, Outcome,
        NewTask, Page, Principal, Rendering, TaskForm, TaskNotice, UpstreamFault,
    },
};

/// Nesting that the targets accept, as the gateway does.
pub const DEPTH: usize = 128;

/// Every message that the gateway writes is one JSON-RPC message, by this crate's reading and by serde_json's.
pub fn message(bytes: &Bytes) -> MessageBody {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).expect("what is written is JSON");
    Message::parse(bytes.clone(), usize::MAX).expect("what is written is JSON-RPC").body
}

/// `name: value` lines and, after an empty one, the body: a request as people write it down.
pub fn http(data: &[u8]) -> Option<(HeaderMap, Bytes)> {
    let blank = data.windows(2).position(|pair| pair == b"\n\n")?;
    let mut headers = HeaderMap::new();
    for line in data[..blank].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let value = line.get(colon + 1..).unwrap_or_default();
        headers.append(HeaderName::from_bytes(&line[..colon]).ok()?, HeaderValue::from_bytes(value.trim_ascii()).ok()?);
    }
    Some((headers, Bytes::copy_from_slice(&data[blank + 2..])))
}

/// A caller with these capabilities, as a modern client or within a legacy session.
pub fn caller(capabilities: Capabilities, session: Option<&str>) -> Caller {
    Caller {
        principal: Principal::anonymous(),
        session: session.map(Arc::from),
        client_info: None,
        capabilities,
        log: session.map_or(LogInterest::AtLeast(Level::Warning), |_| LogInterest::ServersChoice),
        address: None,
    }
}

/// Outcomes of every kind, made of one object and one text.
pub fn outcomes(object: &Raw, text: &str) -> Vec<Outcome> {
    let page = Page {
        kind: ListKind::Tools,
        entries: vec![object.clone(); 2],
        next: Some(text.to_owned()),
        missing: vec![text.to_owned()],
        unconnected: vec![text.into()],
        stale: Vec::new(),
        fresh_until: Some(clock::now()),
        scope: CacheScope::Private,
        renderings: Rendering::default(),
    };
    let mut offer = Offer::read(&object.object().unwrap_or_default(), Some(text.to_owned()));
    offer.join(&offer.clone());
    let mut outcomes = vec![
        Outcome::Complete(object.clone()),
        Outcome::Cacheable(object.clone(), CacheHint::NONE),
        Outcome::Discovered(Arc::new(offer)),
        Outcome::Listed(Arc::new(page)),
        Outcome::InputRequired { requests: Some(object.clone()), state: Some(text.to_owned()), result: object.clone() },
        Outcome::Task(NewTask { id: text.to_owned(), ttl: None, result: object.clone(), peer: None }),
        Outcome::InputRequired { requests: None, state: None, result: object.clone() },
    ];
    outcomes.extend(faults(object, text).into_iter().map(Outcome::Failed));
    outcomes
}

fn faults(object: &Raw, text: &str) -> Vec<Fault> {
    let mut faults = vec![
        Fault::InvalidParams("what is wrong"),
        Fault::HeaderMismatch(text.to_owned()),
        Fault::UnknownMethod(text.to_owned()),
        Fault::UnknownTarget("tool", text.to_owned()),
        Fault::ResourceNotFound(text.to_owned()),
        Fault::BadCursor,
        Fault::BadState("what is wrong"),
        Fault::MissingCapability(object.clone()),
        Fault::Limited(Limit::Queue, Duration::MAX),
        Fault::Broken(text.into(), UpstreamFault::Gone),
        Fault::Draining,
        Fault::Internal,
    ];
    faults.extend(myelin::jsonrpc::ErrorObject::parse(object).map(Fault::Upstream));
    faults
}

/// Notices of every kind, made of one object and one text.
pub fn notices(object: &Raw, text: &str) -> Vec<Notice> {
    vec![
        Notice::Progress(object.clone()),
        Notice::Log(Level::Alert, object.clone()),
        Notice::Changed(ListKind::Templates),
        Notice::Updated(text.to_owned(), object.clone()),
        Notice::Acknowledged(Filter::resource(text)),
        Notice::Interrupted,
        Notice::Task(TaskNotice { form: TaskForm::Core, id: text.to_owned(), params: object.clone() }),
        Notice::Task(TaskNotice { form: TaskForm::Extension, id: text.to_owned(), params: object.clone() }),
        Notice::Extension(text.to_owned(), Some(object.clone())),
        Notice::Extension(text.to_owned(), None),
    ]
}

/// Questions of every kind.
pub fn asks(params: &Raw) -> [Ask; 3] {
    [AskKind::Elicit, AskKind::Sample, AskKind::Roots].map(|kind| Ask { id: AskId(1), kind, params: Some(params.clone()) })
}
