//! The `_meta` member of parameters: the modern envelope, and what else travels there.

use smallvec::SmallVec;

use crate::{
    clock,
    jsonrpc::{Object, Raw},
    mcp::{Caller, LogInterest, Page, Params, ProgressInterest},
};

use super::IMPLEMENTATION;

/// The revision a request is written in.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client can be asked.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// What the client calls itself.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// Which log messages are wanted.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// What the server calls itself.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Which subscription a notification belongs to.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// Where progress is to be reported.
pub const PROGRESS_TOKEN: &str = "progressToken";
/// Which servers' parts are not in a list.
const MISSING: &str = "myelin/missing";
/// Which servers show their caller more, or anything, once the caller agrees that they are called in its name: a call asks for that.
const UNCONNECTED: &str = "myelin/unconnected";
/// Which servers' parts of a list may be out of date, and since when.
const STALE: &str = "myelin/stale";

/// The members that belong to one leg and never pass to the other.
const ENVELOPE: [&str; 4] = [PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL];

/// The name of the revision as JSON: written with each request.
const NEWEST_MODERN: Raw = Raw::literal("\"2026-07-28\"");

/// The `_meta` of a request to a modern upstream: the caller's own members, with the envelope of this leg.
pub(super) fn for_modern(original: Option<&Object>, caller: &Caller, progress: ProgressInterest, token: u64) -> Raw {
    let empty = Object::default();
    let mut edit = original.unwrap_or(&empty).edit().remove_all(&[LOG_LEVEL, PROGRESS_TOKEN]);
    edit = edit
        .set(PROTOCOL_VERSION, NEWEST_MODERN)
        .set(CLIENT_INFO, caller.client_info.clone().unwrap_or(IMPLEMENTATION))
        .set(CLIENT_CAPABILITIES, capabilities(caller));
    edit = match caller.log {
        LogInterest::Off => edit,
        // A legacy session that never set a level gets what is usual; a modern server sends nothing without one.
        LogInterest::ServersChoice => edit.set(LOG_LEVEL, Raw::literal("\"info\"")),
        LogInterest::AtLeast(level) => edit.set(LOG_LEVEL, Raw::string(level.name())),
    };
    if progress == ProgressInterest::Wanted {
        edit = edit.set(PROGRESS_TOKEN, Raw::from_value(&token));
    }
    edit.finish()
}

/// A modern client's declaration passes as it is; a legacy client's in the form that every revision reads.
fn capabilities(caller: &Caller) -> Raw {
    match caller.session {
        Some(_) => caller.capabilities.profile.declaration(),
        None => caller.capabilities.declared.clone(),
    }
}

/// The `_meta` of a request to a legacy upstream: the caller's own members without any envelope. `None` when nothing is left.
pub(super) fn for_legacy(original: Option<&Object>, progress: ProgressInterest, token: u64) -> Option<Raw> {
    let empty = Object::default();
    let edit = original.unwrap_or(&empty).edit().remove_all(&ENVELOPE);
    let edit = match progress {
        ProgressInterest::Wanted => edit.set(PROGRESS_TOKEN, Raw::from_value(&token)),
        ProgressInterest::Unwanted => edit.remove(PROGRESS_TOKEN),
    };
    let meta = edit.finish();
    (meta.as_str() != "{}").then_some(meta)
}

/// The `_meta` of something the gateway says itself to a modern peer.
pub(super) fn of_gateway(members: &[(&str, Raw)]) -> Raw {
    let empty = Object::default();
    members.iter().fold(empty.edit(), |edit, (name, value)| edit.set(name, value.clone())).finish()
}

/// What a page says of its parts: which are not in it, and which may be out of date since when.
pub(super) fn of_page(page: &Page) -> SmallVec<[(&'static str, Raw); 2]> {
    let mut members = SmallVec::new();
    if !page.missing.is_empty() {
        members.push((MISSING, Raw::from_value(&page.missing)));
    }
    if !page.unconnected.is_empty() {
        let servers: Vec<&str> = page.unconnected.iter().map(|server| &**server).collect();
        members.push((UNCONNECTED, Raw::from_value(&servers)));
    }
    if !page.stale.is_empty() {
        let since = page.stale.iter().map(|(server, at)| (server.to_string(), clock::moment(at.as_secs()).into()));
        members.push((STALE, Raw::from_value(&since.collect::<serde_json::Map<_, _>>())));
    }
    members
}

/// Who calls, in a statement that the gateway signed: for servers that are programs, which no header reaches.
const ASSERTION: &str = "myelin/assertion";

/// The parameters with a statement about who calls, in the place of whatever a client wrote there.
pub fn asserting(params: &Params, statement: &str) -> Params {
    let empty = Object::default();
    let own_meta = params.own_meta().unwrap_or(&empty);
    params.with_meta(own_meta.edit().set(ASSERTION, Raw::string(statement)).finish())
}

/// The parameters with one member of `_meta` set.
pub(super) fn with(params: Option<&Raw>, name: &str, value: Raw) -> Raw {
    let params = object_or_empty(params);
    let meta = params.get("_meta").and_then(|meta| meta.object().ok()).unwrap_or_default();
    params.edit().set("_meta", meta.edit().set(name, value).finish()).finish()
}

/// The parameters of a notice without the subscription that they came over.
pub(super) fn without_subscription(params: Raw) -> Raw {
    let object = object_or_empty(Some(&params));
    let own_meta = object.get("_meta").and_then(|meta| meta.object().ok()).unwrap_or_default();
    let own_meta = own_meta.edit().remove(SUBSCRIPTION_ID).finish();
    let edit = object.edit();
    if own_meta.as_str() == "{}" { edit.remove("_meta").finish() } else { edit.set("_meta", own_meta).finish() }
}

/// The object, or an empty one.
pub(super) fn object_or_empty(raw: Option<&Raw>) -> Object {
    raw.and_then(|raw| raw.object().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::era::Revision;

    #[test]
    fn the_newest_revision_is_written_by_its_name() {
        assert_eq!(NEWEST_MODERN, Raw::string(Revision::NEWEST_MODERN.name()));
    }
}
