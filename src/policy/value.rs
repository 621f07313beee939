//! What conditions see: JSON and the gateway's own knowledge as values of CEL.

use std::collections::HashMap;

use cel::common::{
    types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt},
    value::Val,
};
use serde_json::{Map, Value as Json};

use crate::{
    jsonrpc::Raw,
    mcp::{Caller, Identity},
};

use super::asked::Thing;

/// A value that may borrow.
pub(super) type Boxed<'a> = Box<dyn Val + 'a>;

/// A mapping with these fields.
pub(super) fn record<'a, const N: usize>(fields: [(&'a str, Boxed<'a>); N]) -> CelMap<'a> {
    fields.into_iter().map(|(name, value)| (CelMapKey::from(name), value)).collect::<HashMap<_, _>>().into()
}

/// The same without one field.
pub(super) fn without<'a>(record: CelMap<'a>, field: &'a str) -> CelMap<'a> {
    let mut fields = record.into_inner();
    fields.remove(&CelMapKey::from(field));
    fields.into()
}

/// A text.
pub(super) fn text(text: &str) -> Boxed<'_> {
    Box::new(CelString::from(text))
}

fn texts(list: &[String]) -> Boxed<'_> {
    Box::new(CelList::from(list.iter().map(|own| text(own)).collect::<Vec<_>>()))
}

/// Who calls. What is not known of them is empty, so that rules about it are false and do not fail; claims are what the token has.
pub(super) fn principal<'a>(identity: &'a Identity, claims: Option<&Map<String, Json>>) -> CelMap<'a> {
    record([
        ("id", text(&identity.id)),
        ("kind", text(identity.kind.name())),
        ("issuer", text(identity.issuer.as_deref().unwrap_or_default())),
        ("client", text(identity.client.as_deref().unwrap_or_default())),
        ("groups", texts(&identity.groups)),
        ("scopes", texts(&identity.scopes)),
        ("claims", Box::new(claims.map_or_else(CelMap::default, mapping))),
    ])
}

/// A tool. Annotations are what its server claims; what it does not say is as the specification assumes (2025-06-18 schema,
/// ToolAnnotations), so that rules about them do not fail.
pub(super) fn tool<'a>(thing: &Thing<'a>) -> CelMap<'a> {
    const ASSUMED: [(&str, bool); 4] =
        [("readOnlyHint", false), ("destructiveHint", true), ("idempotentHint", false), ("openWorldHint", true)];
    let said = thing.entry.and_then(|entry| entry.member("annotations"));
    let mut annotations: Map<String, Json> =
        said.and_then(|said| serde_json::from_str(said.as_str()).ok()).unwrap_or_default();
    for (hint, assumed) in ASSUMED {
        if !annotations.get(hint).is_some_and(Json::is_boolean) {
            annotations.insert(hint.to_owned(), assumed.into());
        }
    }
    if !annotations.get("title").is_some_and(Json::is_string) {
        annotations.insert("title".to_owned(), "".into());
    }
    record([("name", text(thing.name)), ("own", text(thing.own)), ("annotations", Box::new(mapping(&annotations)))])
}

/// A prompt.
pub(super) fn prompt<'a>(thing: &Thing<'a>) -> CelMap<'a> {
    record([("name", text(thing.name)), ("own", text(thing.own))])
}

/// A client's program, as it calls itself.
pub(super) fn client(caller: &Caller) -> CelMap<'static> {
    let word = |member: &str| -> Boxed<'static> {
        let said = caller.client_info.as_ref().and_then(|info| info.member(member));
        let said = said.as_ref().and_then(Raw::text).map(std::borrow::Cow::into_owned);
        Box::new(CelString::from(said.unwrap_or_default()))
    };
    let era = if caller.session.is_some() { "legacy" } else { "modern" };
    record([("name", word("name")), ("version", word("version")), ("era", text(era))])
}

/// The request. An IPv4 address that came as IPv6 is one of IPv4.
pub(super) fn request(caller: &Caller) -> CelMap<'static> {
    let address = caller.address.map(|address| address.to_canonical().to_string()).unwrap_or_default();
    record([("address", Box::new(CelString::from(address)))])
}

/// Arguments, if they are an object and no larger than the limit. None at all are an empty object.
pub(super) fn arguments(raw: Option<&Raw>, limit_bytes: usize) -> Option<CelMap<'static>> {
    let Some(raw) = raw else { return Some(CelMap::default()) };
    if raw.bytes().len() > limit_bytes {
        return None;
    }
    let parsed: Map<String, Json> = serde_json::from_str(raw.as_str()).ok()?;
    Some(mapping(&parsed))
}

fn mapping(object: &Map<String, Json>) -> CelMap<'static> {
    let entries = object.iter().map(|(name, json)| (CelMapKey::from(name.clone()), value(json)));
    entries.collect::<HashMap<_, _>>().into()
}

fn value(json: &Json) -> Boxed<'static> {
    match json {
        Json::Null => Box::new(CelNull),
        Json::Bool(is) => Box::new(CelBool::from(*is)),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Box::new(CelInt::from(whole)),
            (None, Some(whole)) => Box::new(CelUInt::from(whole)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Json::String(own) => Box::new(CelString::from(own.clone())),
        Json::Array(list) => Box::new(CelList::from(list.iter().map(value).collect::<Vec<_>>())),
        Json::Object(object) => Box::new(mapping(object)),
    }
}
