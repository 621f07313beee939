//! Authorization codes, as the client of an authorization server that sends a browser for one: what goes with it, and whether what comes
//! back is from whom it should be.
//!
//! Sources: RFC 7636 section 4 (PKCE); RFC 9207 section 2.4 and MCP 2026-07-28 basic/authorization (Authorization Response Validation).

use aws_lc_rs::{
    digest::{SHA256, digest},
    error::Unspecified,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{redact::Redacted, seal};

use super::fetch::form_encoded;

/// What only the one who asked for a code knows.
#[derive(Clone, Debug)]
pub struct Verifier(Redacted<String>);

impl Verifier {
    /// 256 random bits (RFC 7636 section 4.1 recommends it).
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn new() -> Result<Self, Unspecified> {
        let half = || seal::random_id().map(Redacted::new);
        let (one, other) = (half()?, half()?);
        Ok(Self(Redacted::new(format!("{}{}", one.expose(), other.expose()))))
    }

    /// What is shown when the code is redeemed.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is sent with the browser: the `S256` challenge.
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.expose().as_bytes()))
    }
}

/// An address with these fields in its query.
pub fn with_query(address: &str, query: &[(&str, String)]) -> String {
    let join = if address.contains('?') { '&' } else { '?' };
    let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", form_encoded(value))).collect();
    format!("{address}{join}{}", pairs.join("&"))
}

/// Whether an answer with this `iss` may be looked at, error or not. Compared letter by letter, nothing normalised.
pub fn is_from(issuer: &str, promises_iss: bool, iss: Option<&str>) -> bool {
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
