//! Whatever a client posts is answered: by a refusal that is JSON-RPC, or by a call whose every outcome can be written down.
#![no_main]

use bytes::Bytes;
use kit::DEPTH;
use libfuzzer_sys::fuzz_target;
use myelin::{
    era::{
        Refusal, Revision,
        classify::{Arrival, Limits, classify},
        legacy, modern,
    },
    jsonrpc::{Id, Message, MessageBody, Raw},
    mcp::{Capabilities, Offer, Op},
};

fuzz_target!(|data: &[u8]| {
    let Some((headers, body)) = kit::http(data) else { return };
    match classify(&headers, body, Limits { depth: DEPTH, batch: 16 }) {
        Err(refusal) => refused(&refusal),
        Ok(Arrival::Modern(request)) => modern_request(&request),
        Ok(Arrival::ModernNotification) => (),
        Ok(Arrival::Legacy(message)) => legacy_message(message),
        Ok(Arrival::LegacyBatch(messages)) => messages.into_iter().flatten().for_each(legacy_message),
    }
});

fn refused(refusal: &Refusal) {
    assert!(matches!(refusal.status, 200 | 400 | 404), "{}", refusal.status);
    assert!(matches!(kit::message(&refusal.body), MessageBody::Error { .. }));
}

fn answers(bytes: &Bytes, asked: &Id) {
    match kit::message(bytes) {
        MessageBody::Response { id, .. } | MessageBody::Error { id: Some(id), .. } => assert_eq!(id, *asked),
        other => panic!("not an answer: {other:?}"),
    }
}

/// An object and a text that the client chose.
fn chosen(op: &Op) -> (Raw, String) {
    match op {
        Op::Invoke(invoke) => (invoke.params.raw().clone(), invoke.target.clone()),
        Op::Complete(completion) => (completion.params.clone(), "text".to_owned()),
        Op::Extension { method, params } | Op::Tell { method, params } => (params.clone().unwrap_or(Raw::empty_object()), method.clone()),
        Op::Task(task) => (task.params.clone(), task.id.clone()),
        Op::List(_, cursor) | Op::Tasks(cursor) => (Raw::empty_object(), cursor.clone().unwrap_or_default()),
        Op::Listen(filter) => (filter.to_raw(), filter.uris.concat()),
        Op::Discover | Op::RootsChanged => (Raw::empty_object(), String::new()),
    }
}

fn modern_request(request: &modern::front::Request) {
    let (object, text) = chosen(&request.op);
    for outcome in kit::outcomes(&object, &text) {
        let encoded = modern::front::outcome(&request.ticket, &outcome);
        assert!(matches!(encoded.status, 200 | 400 | 404 | 429 | 503), "{}", encoded.status);
        answers(&encoded.body, &request.ticket.id);
    }
    for notice in kit::notices(&object, &text) {
        let told = modern::front::notice(&request.ticket, &notice);
        assert!(told.is_none_or(|told| matches!(kit::message(&told), MessageBody::Notification { .. })));
    }
}

fn legacy_message(message: Message) {
    use legacy::front::{Inbound, decode};
    match decode(message) {
        Inbound::Initialize(opening) => {
            assert!(opening.revision <= Revision::NEWEST_LEGACY);
            answers(&legacy::front::initialized(&opening.id, opening.revision, &Offer::default()), &opening.id);
        }
        Inbound::Request(request) => Revision::ALL.into_iter().take(4).for_each(|revision| legacy_request(&request, revision)),
        Inbound::Local(id, _) => answers(&legacy::front::done(&id), &id),
        Inbound::Refused(id, error) => {
            assert!(matches!(kit::message(&legacy::front::refusal(id.as_ref(), &error)), MessageBody::Error { .. }));
        }
        Inbound::Initialized | Inbound::RootsChanged | Inbound::Cancelled(_) | Inbound::Answer(..) | Inbound::Told(..) | Inbound::Ignored => (),
    }
}

fn legacy_request(request: &legacy::front::Request, revision: Revision) {
    let (object, text) = chosen(&request.op);
    let capabilities = Capabilities::parse(&object).unwrap_or_else(Capabilities::none);
    let session = legacy::front::Session { revision, capabilities };
    for outcome in kit::outcomes(&object, &text) {
        answers(&legacy::front::outcome(&request.ticket, &session, &outcome), &request.ticket.id);
    }
    for notice in kit::notices(&object, &text) {
        for ticket in [None, Some(&request.ticket)] {
            let told = legacy::front::notice(ticket, &notice);
            assert!(told.is_none_or(|told| matches!(kit::message(&told), MessageBody::Notification { .. })));
        }
    }
    for ask in kit::asks(&object) {
        let asked = legacy::front::ask(&request.ticket.id, &ask, &session);
        assert!(asked.is_err() || matches!(kit::message(&asked.unwrap_or_default()), MessageBody::Request { .. }));
    }
}
