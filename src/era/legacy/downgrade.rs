//! What older clients cannot read, made readable: dropped or put in words, never failing the whole.
//!
//! Source: the changelogs of 2025-03-26, 2025-06-18, 2025-11-25 and 2026-07-28.

use crate::{
    era::Revision,
    jsonrpc::{self, Kind, Object, Raw},
    mcp::ListKind,
};

/// Members of a result that only 2026-07-28 has; strict legacy decoders refuse them on empty results.
const MODERN_MEMBERS: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];

/// A result for a client of that revision.
pub(super) fn result(result: &Raw, revision: Revision) -> Raw {
    let Ok(object) = result.object() else { return result.clone() };
    let plain = object.edit().remove_all(&MODERN_MEMBERS).finish();
    match plain.object() {
        Ok(object) => structured(&object, revision),
        Err(_) => plain,
    }
}

/// `structuredContent` came with 2025-06-18, as an object; other values came with 2026-07-28. What goes leaves its text behind.
fn structured(object: &Object, revision: Revision) -> Raw {
    let plain = match object.get("structuredContent") {
        Some(content) if revision < Revision::V2025_06_18 || content.kind() != Kind::Object => {
            let blocks = object.get("content").and_then(|blocks| blocks.elements()).unwrap_or_default();
            let edit = object.edit().remove("structuredContent");
            let has_text =
                blocks.iter().any(|block| block.member("type").is_some_and(|kind| kind.as_str() == "\"text\""));
            if has_text {
                edit.finish()
            } else {
                edit.set("content", jsonrpc::array(blocks.into_iter().chain([text_block(content.as_str())]))).finish()
            }
        }
        _ => object.raw().clone(),
    };
    if revision >= Revision::V2025_06_18 { plain } else { content_blocks(&plain, revision) }
}

fn text_block(text: &str) -> Raw {
    let object = Object::default();
    object.edit().set("type", Raw::literal("\"text\"")).set("text", Raw::string(text)).finish()
}

/// Content of kinds that the client does not know, put in words.
fn content_blocks(result: &Raw, revision: Revision) -> Raw {
    let Ok(object) = result.object() else { return result.clone() };
    let Some(blocks) = object.get("content").and_then(|blocks| blocks.elements()) else { return result.clone() };
    let readable: Vec<Raw> = blocks.iter().map(|block| content_block(block, revision)).collect();
    if readable == blocks { result.clone() } else { object.edit().set("content", jsonrpc::array(readable)).finish() }
}

fn content_block(block: &Raw, revision: Revision) -> Raw {
    let Ok(object) = block.object() else { return block.clone() };
    match object.text("type").as_deref() {
        Some("audio") if revision < Revision::V2025_03_26 => {
            let kind = object.text("mimeType").unwrap_or_default();
            text_block(&format!("[audio content of type {kind}, which this client's protocol revision cannot carry]"))
        }
        Some("resource_link") if revision < Revision::V2025_06_18 => text_block(&format!(
            "{}: {}",
            object.text("name").unwrap_or_default(),
            object.text("uri").unwrap_or_default()
        )),
        _ => block.clone(),
    }
}

/// A list's entry for a client of that revision.
pub(super) fn entry(kind: ListKind, entry: &Raw, revision: Revision) -> Raw {
    let Ok(object) = entry.object() else { return entry.clone() };
    if kind != ListKind::Tools {
        return entry.clone();
    }
    let mut edit = object.edit();
    if revision != Revision::V2025_11_25 {
        edit = edit.remove("execution");
    }
    let describes_object = object
        .get("outputSchema")
        .is_none_or(|schema| schema.member("type").is_some_and(|kind| kind.as_str() == "\"object\""));
    if revision < Revision::V2025_06_18 || !describes_object {
        edit = edit.remove("outputSchema");
    }
    edit.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_away_what_only_the_modern_revision_has() {
        let modern = Raw::literal(r#"{"resultType":"complete","ttlMs":5,"cacheScope":"private","contents":[1.10]}"#);
        assert_eq!(result(&modern, Revision::V2025_11_25).as_str(), r#"{"contents":[1.10]}"#);
    }

    #[test]
    fn structured_content_that_cannot_be_carried_is_left_as_text() {
        let modern = Raw::literal(r#"{"content":[],"structuredContent":[1,2]}"#);
        assert_eq!(result(&modern, Revision::V2025_11_25).as_str(), r#"{"content":[{"type":"text","text":"[1,2]"}]}"#);
        let object = Raw::literal(r#"{"content":[{"type":"text","text":"x"}],"structuredContent":{"a":1}}"#);
        assert_eq!(result(&object, Revision::V2025_06_18).as_str(), object.as_str());
        assert_eq!(result(&object, Revision::V2025_03_26).as_str(), r#"{"content":[{"type":"text","text":"x"}]}"#);
    }

    #[test]
    fn content_of_unknown_kinds_is_put_in_words() {
        let linked = Raw::literal(r#"{"content":[{"type":"resource_link","uri":"x://y","name":"n"}]}"#);
        assert_eq!(result(&linked, Revision::V2025_06_18).as_str(), linked.as_str());
        assert_eq!(
            result(&linked, Revision::V2025_03_26).as_str(),
            r#"{"content":[{"type":"text","text":"n: x://y"}]}"#
        );
    }

    #[test]
    fn schemas_of_results_that_are_no_objects_are_left_out() {
        let tool = Raw::literal(r#"{"name":"t","outputSchema":{"type":"array"},"execution":{}}"#);
        assert_eq!(entry(ListKind::Tools, &tool, Revision::V2025_11_25).as_str(), r#"{"name":"t","execution":{}}"#);
        assert_eq!(entry(ListKind::Tools, &tool, Revision::V2025_06_18).as_str(), r#"{"name":"t"}"#);
    }
}
