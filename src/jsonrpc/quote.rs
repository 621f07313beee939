//! Text to a JSON string.

/// Appends `text` as a JSON string.
pub fn quote(out: &mut Vec<u8>, text: &str) {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing to a Vec cannot fail, and a str always has a JSON form.
        let _ = serde_json::to_writer(out, text);
    }
}
