//! The answer of an authorization server that a browser brings: whether it is from whom it should be.
//!
//! Source: RFC 9207 section 2.4; MCP 2026-07-28 basic/authorization (Authorization Response Validation).

/// Whether an answer with this `iss` may be looked at, error or not. Compared letter by letter, nothing normalised.
pub(super) fn is_from(issuer: &str, promises_iss: bool, iss: Option<&str>) -> bool {
    match iss {
        Some(iss) => iss == issuer,
        None => !promises_iss,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_table() {
        const OWN: &str = "https://idp.example";
        for (promises, iss, taken) in [
            (true, Some(OWN), true),
            (true, Some("https://idp.example/"), false),
            (true, Some("https://evil.example"), false),
            (true, None, false),
            (false, Some(OWN), true),
            (false, Some("https://evil.example"), false),
            (false, None, true),
        ] {
            assert_eq!(is_from(OWN, promises, iss), taken, "{promises} {iss:?}");
        }
    }
}
