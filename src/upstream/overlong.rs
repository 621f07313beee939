//! A tool's result that is larger than may be passed back, cut to what may.
//!
//! Only text is cut, at the border of a character. What follows is left out, and a text at the end says so, for the model that reads
//! it. Structured content is whole or not there at all, and so is everything that is not text: half of it would be something else.

use crate::jsonrpc::{Object, Raw, array};

/// A text that is left with fewer bytes than this says nothing.
const LEAST_TEXT_BYTES: usize = 64;

/// The result within so many bytes. `None` where it cannot be cut: it is not the result of a tool, or what is not text is too large.
pub(super) fn cut(result: &Raw, most_bytes: usize) -> Option<Raw> {
    let object = result.object().ok()?;
    let content = object.get("content")?.elements()?;
    let last = marker(result.bytes().len());
    let frame = object.edit().set("content", array([last.clone()])).finish().bytes().len();
    let mut room = most_bytes.checked_sub(frame)?;
    let mut kept = Vec::new();
    for item in content {
        // The comma before the next one.
        let needed = item.bytes().len() + 1;
        if needed <= room {
            room -= needed;
            kept.push(item);
            continue;
        }
        kept.extend(shorten(&item, room.saturating_sub(1)));
        break;
    }
    kept.push(last);
    Some(object.edit().set("content", array(kept)).finish())
}

fn marker(bytes: usize) -> Raw {
    let text = format!("[The gateway cut this result: the whole has {bytes} bytes, which is more than it passes on.]");
    let empty = Object::default();
    empty.edit().set("type", Raw::literal("\"text\"")).set("text", Raw::string(&text)).finish()
}

/// A text within so many bytes of JSON. `None` for what is no text, and where nearly nothing would be left.
fn shorten(item: &Raw, most_bytes: usize) -> Option<Raw> {
    let object = item.object().ok()?;
    if object.text("type")? != "text" {
        return None;
    }
    let text = object.text("text")?;
    let frame = object.edit().set("text", Raw::string("")).finish().bytes().len();
    let room = most_bytes.checked_sub(frame).filter(|room| *room >= LEAST_TEXT_BYTES)?;
    Some(object.edit().set("text", Raw::string(beginning(&text, room))).finish())
}

/// As much of a text as takes so many bytes in a JSON string.
fn beginning(text: &str, most_bytes: usize) -> &str {
    let mut taken = 0;
    for (place, character) in text.char_indices() {
        taken += match character {
            '"' | '\\' => 2,
            // `\u001f` at the longest.
            '\0'..='\x1f' | '\x7f' => 6,
            _ => character.len_utf8(),
        };
        if taken > most_bytes {
            return text.get(..place).unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn cut_value(result: &Value, most_bytes: usize) -> Option<Value> {
        let cut = cut(&Raw::from_value(result), most_bytes)?;
        assert!(cut.bytes().len() <= most_bytes, "{} > {most_bytes}", cut.bytes().len());
        Some(serde_json::from_slice(cut.bytes()).unwrap())
    }

    #[test]
    fn cuts_the_text_that_is_too_long_and_leaves_out_what_follows() {
        let result = json!({
            "content": [{ "type": "text", "text": "first" }, { "type": "text", "text": "x".repeat(5000), "annotations": { "a": 1 } },
                { "type": "text", "text": "last" }],
            "isError": true,
        });
        let cut = cut_value(&result, 1000).unwrap();
        let content = cut["content"].as_array().unwrap();
        assert_eq!((content.len(), &content[0]["text"], &cut["isError"]), (3, &json!("first"), &json!(true)));
        let second = content[1]["text"].as_str().unwrap();
        assert!(second.len() > 500 && second.bytes().all(|byte| byte == b'x') && content[1]["annotations"]["a"] == 1);
        assert!(content[2]["text"].as_str().unwrap().contains("cut this result"), "{cut}");
    }

    #[test]
    fn what_is_not_text_is_whole_or_not_there() {
        let image = json!({ "type": "image", "data": "A".repeat(900), "mimeType": "image/png" });
        let cut = cut_value(&json!({ "content": [image, { "type": "text", "text": "after" }] }), 600).unwrap();
        assert_eq!(cut["content"].as_array().unwrap().len(), 1, "{cut}");
        let structured = json!({ "n": [1, 2, 3] });
        let result =
            json!({ "content": [{ "type": "text", "text": "y".repeat(5000) }], "structuredContent": structured });
        assert_eq!(cut_value(&result, 1000).unwrap()["structuredContent"], structured);
        assert_eq!(cut_value(&json!({ "content": [], "structuredContent": "z".repeat(5000) }), 1000), None);
        assert_eq!(cut_value(&json!({ "contents": [{ "uri": "a:b", "text": "z".repeat(5000) }] }), 1000), None);
    }

    proptest! {
        #[test]
        fn what_is_cut_is_valid_within_its_bound_and_begins_as_the_whole_does(text in "\\PC{0,40}[\\x00-\\x7f]{0,400}", most in 0usize..900) {
            let result = json!({ "content": [{ "type": "text", "text": text }] });
            if let Some(cut) = cut_value(&result, most) {
                let content = cut["content"].as_array().unwrap();
                if content.len() == 2 {
                    prop_assert!(text.starts_with(content[0]["text"].as_str().unwrap()));
                }
            }
        }
    }
}
