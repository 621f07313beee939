//! The scanner agrees with serde_json on any bytes; splices change what they say and nothing else; messages survive a round trip.
#![no_main]

use bytes::Bytes;
use kit::DEPTH;
use libfuzzer_sys::fuzz_target;
use myelin::jsonrpc::{self, Malformed, Message, MessageBody, Object, Raw, SyntaxError};

fuzz_target!(|data: &[u8]| {
    let text = Bytes::copy_from_slice(data);
    match Raw::parse(text.clone(), DEPTH) {
        Ok(raw) => {
            assert_eq!(reference(data), Some(raw.as_str()));
            value(&raw);
        }
        Err(SyntaxError::TooDeep(_)) => (),
        Err(_) => assert_eq!(reference(data), None),
    }
    message(text);
});

fn reference(data: &[u8]) -> Option<&str> {
    serde_json::from_slice::<&serde_json::value::RawValue>(data).ok().map(serde_json::value::RawValue::get)
}

fn value(raw: &Raw) {
    let line = jsonrpc::one_line(raw.bytes().clone());
    assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
    let read = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).ok();
    assert_eq!(read(&line), read(raw.bytes()));
    if let Some(elements) = raw.elements() {
        let joined = jsonrpc::array(elements.clone());
        assert_eq!(joined.elements(), Some(elements));
    }
    if let Some(text) = raw.text() {
        assert_eq!(Raw::string(&text).text().as_deref(), Some(&*text));
    }
    if let Ok(object) = raw.object() {
        edits(&object);
    }
}

fn edits(object: &Object) {
    assert_eq!(object.edit().finish(), *object.raw());
    let first = object.iter().next().map(|(name, _)| name.to_owned());
    for name in first.iter().map(String::as_str).chain(["name", "\"\\\n"]) {
        let (one, two) = (Raw::literal("[1.10]"), Raw::literal("{}"));
        let set = parsed(&object.edit().set(name, two).set(name, one.clone()).finish());
        assert_eq!(set.get(name), Some(one.clone()), "the last change counts");
        assert_eq!(others(&set, name), others(object, name), "and nothing else");
        assert_eq!(set.len(), object.len() + usize::from(!object.has(name)));
        let removed = parsed(&object.edit().remove(name).finish());
        assert!(!removed.has(name));
        assert_eq!(others(&removed, name), others(object, name));
        let kept = parsed(&object.edit().set_default(name, one.clone()).finish());
        assert_eq!(kept.get(name), object.get(name).or(Some(one)));
    }
}

fn parsed(raw: &Raw) -> Object {
    assert_eq!(Raw::parse(raw.bytes().clone(), usize::MAX).as_ref(), Ok(raw), "an edit makes valid JSON");
    raw.object().expect("an edit makes an object")
}

fn others(object: &Object, name: &str) -> Vec<(String, Raw)> {
    object.iter().filter(|(other, _)| *other != name).map(|(other, value)| (other.to_owned(), value)).collect()
}

fn message(text: Bytes) {
    match Message::parse(text.clone(), DEPTH) {
        Ok(message) => survives(&message.body),
        Err(Malformed::Batch) => {
            jsonrpc::batch(text, DEPTH).expect("a batch").iter().flatten().for_each(|message| survives(&message.body));
        }
        Err(_) => (),
    }
}

fn survives(body: &MessageBody) {
    let written = match body {
        MessageBody::Request { id, method, params } => jsonrpc::request(id, method, params.as_ref()),
        MessageBody::Notification { method, params } => jsonrpc::notification(method, params.as_ref()),
        MessageBody::Response { id, result } => jsonrpc::result_response(id, result),
        MessageBody::Error { id, error } => jsonrpc::error_response(id.as_ref().map(jsonrpc::Id::raw), error),
    };
    assert_eq!(format!("{:?}", kit::message(&written)), format!("{body:?}"));
}
