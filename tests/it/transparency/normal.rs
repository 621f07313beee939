//! What may differ between a conversation with the gateway and one without, each with its reason. Nothing else may.

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};

/// Members that are replaced by the word that they are there, and why.
///
/// | member | side | reason |
/// |---|---|---|
/// | `id` of a request | server | the gateway mints ids: those of two clients may be the same |
/// | `id` of a question | client | the same towards the client: those of two servers may be the same |
/// | `progressToken` | server | the gateway mints tokens, and gives the client its own back |
/// | `requestState` | client | sealed, so that no other client can bring it back through the gateway's credential |
/// | `serverInfo` in `_meta` | client | left out where it is the gateway's: it is the server of lists, and says so |
/// | `ttlMs` of a list | client | the list is kept by the gateway, and this says how long it still holds |
///
/// And what is not recorded at all:
///
/// | what | reason |
/// |---|---|
/// | session ids, and whether an answer is JSON or a stream | of the wire, not of the conversation |
/// | `initialize`, `server/discover`, requests for lists | the gateway asks servers when it needs to know, not when clients ask it |
/// | the order of messages of different requests | concurrent requests have none |
/// | how an id is written | the scripted server writes it anew |
/// | the order of members | an object has none; the text of every value is compared as it stands |
const MINTED: &[(Side, &str, &[&str])] =
    &[(Side::Server, "params._meta", &["progressToken"]), (Side::Client, "result", &["requestState", "ttlMs"])];

const SERVER_INFO: &str = "result._meta.io.modelcontextprotocol/serverInfo";

/// Who recorded a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// A message as one line: the members of the envelope, of `params`, `result`, `error` and their `_meta`, sorted, each with its text.
pub(super) fn line(side: Side, text: &str) -> String {
    // An answer has the id of what it answers, and is compared with it.
    let is_request = members(text).contains_key("method");
    let mut line = String::new();
    write(side, is_request, "", text, &mut line);
    line
}

fn members(text: &str) -> BTreeMap<String, Box<RawValue>> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn write(side: Side, is_request: bool, path: &str, text: &str, line: &mut String) {
    const OPENED: [&str; 6] = ["params", "result", "error", "params._meta", "result._meta", "params.inputResponses"];
    for (name, value) in members(text) {
        let own = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let is_minted =
            MINTED.iter().any(|(at, parent, names)| *at == side && *parent == path && names.contains(&&*name))
                || (is_request && own == "id");
        match value.get() {
            inner if own == "id" && !is_minted => {
                let id: Value = serde_json::from_str(inner).unwrap();
                line.push_str(&format!("{own}: {id}\n"));
            }
            inner if own == SERVER_INFO && inner.starts_with(r#"{"name":"myelin""#) => (),
            _ if is_minted => line.push_str(&format!("{own}: minted\n")),
            inner if OPENED.contains(&&*own) && inner.starts_with('{') => write(side, is_request, &own, inner, line),
            inner => line.push_str(&format!("{own}: {inner}\n")),
        }
    }
}
