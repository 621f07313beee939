//! Text to a JSON string.

use super::scan::plain;

/// Appends `text` as a JSON string.
pub fn quote(out: &mut Vec<u8>, text: &str) {
    if plain(text.as_bytes()) == text.len() {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing to a Vec cannot fail, and a str always has a JSON form.
        let _ = serde_json::to_writer(out, text);
    }
}
