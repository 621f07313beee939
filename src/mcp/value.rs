//! Values in `Mcp-Name` and `Mcp-Param-*` headers (2026-07-28 streamable-http, Value Encoding).

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// A header value that claims to be encoded and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid encoded value")]
pub struct Undecodable;

/// The header form of `text`: as it is where that is safe, base64 between markers otherwise.
pub fn encode_value(text: &str) -> Cow<'_, str> {
    let printable = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let padded = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    let looks_encoded = text.starts_with(PREFIX) && text.ends_with(SUFFIX);
    if printable && !padded && !looks_encoded {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(text)))
    }
}

/// The text of a header value. White space around it is not part of it (RFC 9110).
///
/// # Errors
/// [`Undecodable`]: both markers and something other than canonical base64 of UTF-8 between them, or bytes that are no text.
pub fn decode_value(value: &[u8]) -> Result<Cow<'_, str>, Undecodable> {
    let text = std::str::from_utf8(value).map_err(|_| Undecodable)?.trim_matches([' ', '\t']);
    let Some(encoded) = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)) else {
        return Ok(Cow::Borrowed(text));
    };
    let bytes = STANDARD.decode(encoded).map_err(|_| Undecodable)?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Undecodable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encodes_as_the_examples_of_the_specification() {
        for (text, header) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("us west 1", "us west 1"),
            ("", ""),
        ] {
            assert_eq!(encode_value(text), header);
            assert_eq!(decode_value(header.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn takes_half_marked_values_literally_and_refuses_bad_base64() {
        for literal in ["SGVsbG8=", "=?base64?SGVsbG8=", "SGVsbG8=?=", "=?BASE64?SGVsbG8=?="] {
            assert_eq!(decode_value(literal.as_bytes()).unwrap(), literal);
        }
        for bad in ["=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?=", "=?base64?/w==?=", "=?base64?SGVsbG9=?="] {
            assert_eq!(decode_value(bad.as_bytes()), Err(Undecodable), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_and_is_header_text(text in "\\PC{0,40}|[ -~\t\r\n]{0,40}") {
            let header = encode_value(&text);
            prop_assert!(header.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
            prop_assert_eq!(decode_value(header.as_bytes()).unwrap(), &*text);
        }
    }
}
