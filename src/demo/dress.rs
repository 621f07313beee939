//! How an answer is dressed for its reader's era: results get or lose members, faults get their code.
//!
//! Results are written once, in the modern shape; this is the only file that knows what a revision added or dropped.
//! Source: MCP 2026-07-28 basic ("Result Responses", "Error Codes"), caching; the legacy changelogs.

use serde_json::{Value, json};

use super::era::{Era, MODERN_VERSION, Revision};
use super::fault::Fault;
use super::rpc::Object;

const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// How long a result may be kept by a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Not a cacheable method.
    None,
    /// Part of the binary: as good an hour later, and for everybody.
    Fixed,
    /// Changes with the calls that are made: stale at once.
    Live,
}

/// A result before it is dressed.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) body: Object,
    pub(super) freshness: Freshness,
}

/// Gives a result the members its reader's era prescribes and takes away those it does not know.
pub(super) fn dress(served: Served, era: Era, server_info: &Value) -> Object {
    match era {
        Era::Modern => dress_modern(served, server_info),
        Era::Legacy(revision) => dress_legacy(served.body, revision),
    }
}

fn dress_modern(served: Served, server_info: &Value) -> Object {
    let mut body = served.body;
    body.insert("resultType".to_owned(), json!("complete"));
    let lifetime = match served.freshness {
        Freshness::None => None,
        Freshness::Fixed => Some((3_600_000, "public")),
        Freshness::Live => Some((0, "private")),
    };
    if let Some((ttl_ms, scope)) = lifetime {
        body.insert("ttlMs".to_owned(), json!(ttl_ms));
        body.insert("cacheScope".to_owned(), json!(scope));
    }
    let meta = body.entry("_meta").or_insert_with(|| json!({}));
    if let Some(meta) = meta.as_object_mut() {
        meta.insert(SERVER_INFO_KEY.to_owned(), server_info.clone());
    }
    body
}

/// Members of listed things and of results, with the revision that introduced them.
const INTRODUCED: [(&str, Revision); 5] = [
    ("annotations", Revision::V2025_03_26),
    ("completions", Revision::V2025_03_26),
    ("title", Revision::V2025_06_18),
    ("outputSchema", Revision::V2025_06_18),
    ("structuredContent", Revision::V2025_06_18),
];

fn dress_legacy(mut body: Object, revision: Revision) -> Object {
    withhold(&mut body, revision);
    for list in ["tools", "resources", "resourceTemplates", "prompts"] {
        for item in body.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            item.as_object_mut().into_iter().for_each(|item| withhold(item, revision));
        }
    }
    for part in ["serverInfo", "capabilities"] {
        body.get_mut(part).and_then(Value::as_object_mut).into_iter().for_each(|part| withhold(part, revision));
    }
    if let Some(blocks) = body.get_mut("content").and_then(Value::as_array_mut) {
        blocks.retain(|block| revision >= Revision::V2025_06_18 || block["type"] != "resource_link");
    }
    if let Some(info) = body.get_mut("serverInfo").and_then(Value::as_object_mut) {
        info.retain(|member, _| revision >= Revision::V2025_11_25 || member != "description");
    }
    body
}

fn withhold(members: &mut Object, revision: Revision) {
    members.retain(|member, _| INTRODUCED.iter().all(|(introduced, since)| introduced != member || *since <= revision));
}

/// The error answer. Without a readable id a modern peer gets no id, a legacy one gets `null`.
pub(super) fn refuse(fault: &Fault, id: Option<&Value>, era: Option<Era>) -> Value {
    let mut error = json!({"code": code(fault, era), "message": fault.to_string()});
    if let (Some(data), Some(members)) = (data(fault), error.as_object_mut()) {
        members.insert("data".to_owned(), data);
    }
    match (id, era) {
        (Some(id), _) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
        (None, Some(Era::Legacy(_))) => json!({"jsonrpc": "2.0", "id": null, "error": error}),
        (None, _) => json!({"jsonrpc": "2.0", "error": error}),
    }
}

fn code(fault: &Fault, era: Option<Era>) -> i64 {
    match fault {
        Fault::Unparsable => -32700,
        Fault::LineTooLong | Fault::InvalidRequest | Fault::Batch | Fault::IdInUse => -32600,
        Fault::MethodNotFound { .. } => -32601,
        Fault::TooManySubscriptions => -32603,
        Fault::UnsupportedVersion { .. } => -32022,
        // The modern revision gave up -32002 for the general code.
        Fault::UnknownResource { .. } if matches!(era, Some(Era::Legacy(_))) => -32002,
        _ => -32602,
    }
}

fn data(fault: &Fault) -> Option<Value> {
    match fault {
        Fault::UnsupportedVersion { requested } => Some(json!({"supported": [MODERN_VERSION], "requested": requested})),
        Fault::UnknownResource { uri } => Some(json!({"uri": uri})),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rpc::object;
    use super::*;

    #[test]
    fn a_missing_resource_has_the_code_of_the_callers_era() {
        let fault = Fault::UnknownResource { uri: "demo://x".to_owned() };
        assert_eq!(refuse(&fault, None, Some(Era::Legacy(Revision::V2025_11_25)))["error"]["code"], -32002);
        let modern = refuse(&fault, Some(&json!(1)), Some(Era::Modern));
        assert_eq!(modern["error"]["code"], -32602);
        assert_eq!(modern["error"]["data"], json!({"uri": "demo://x"}));
    }

    #[test]
    fn an_unreadable_id_is_null_for_legacy_and_absent_for_modern() {
        let legacy = refuse(&Fault::Unparsable, None, Some(Era::Legacy(Revision::V2024_11_05)));
        assert_eq!(legacy.get("id"), Some(&Value::Null));
        assert_eq!(refuse(&Fault::Unparsable, None, Some(Era::Modern)).get("id"), None);
    }

    #[test]
    fn an_old_client_is_not_sent_members_of_later_revisions() {
        let body = object(json!({"tools": [{"name": "a", "title": "A", "outputSchema": {}, "annotations": {}}]}));
        let dressed = |revision| dress_legacy(body.clone(), revision)["tools"][0].clone();
        assert_eq!(dressed(Revision::V2024_11_05), json!({"name": "a"}));
        assert_eq!(dressed(Revision::V2025_03_26), json!({"name": "a", "annotations": {}}));
        assert_eq!(dressed(Revision::V2025_06_18), body["tools"][0]);
    }

    #[test]
    fn a_modern_result_names_its_server_and_its_lifetime() {
        let served = Served { body: object(json!({"tools": []})), freshness: Freshness::Fixed };
        let dressed = dress(served, Era::Modern, &json!({"name": "n"}));
        assert_eq!(dressed["resultType"], "complete");
        assert_eq!(dressed["cacheScope"], "public");
        assert_eq!(dressed["_meta"][SERVER_INFO_KEY], json!({"name": "n"}));
    }
}
