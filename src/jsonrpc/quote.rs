//! Text to a JSON string.

/// Appends `text` as a JSON string.
pub fn quote(out: &mut Vec<u8>, text: &str) {
    // Without an early end the compiler looks at sixteen bytes at a time.
    let is = u8::from;
    let special = text.bytes().fold(0, |all, byte| all | is(byte < 0x20) | is(byte == b'"') | is(byte == b'\\'));
    if special == 0 {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing to a Vec cannot fail, and a str always has a JSON form.
        let _ = serde_json::to_writer(out, text);
    }
}
