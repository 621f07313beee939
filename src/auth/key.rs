//! API keys: 256 random bits behind a readable name, kept only as a keyed hash.
//!
//! A key reads `myl_ID_SECRET_CHECK`. `CHECK` lets a scanner of leaked secrets know one when it sees one. The hash is HMAC-SHA-256 under a
//! salt of its own: no slow hash is needed, since nobody guesses 256 random bits.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::redact::Redacted;

const PREFIX: &str = "myl_";
const SCHEME: &str = "hmac-sha256";
const SALT_LEN: usize = 16;
const DIGEST_LEN: usize = 32;
const CHECK_LEN: usize = 6;

/// A key's keyed hash: `hmac-sha256:SALT:DIGEST`, both base64url.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHash {
    salt: [u8; SALT_LEN],
    digest: [u8; DIGEST_LEN],
}

/// Why a text is no key hash, or no key can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not `hmac-sha256:SALT:DIGEST`.
    #[error("not a key's hash: `myelin key new` makes one")]
    Hash,
    /// Not letters, digits and `-`.
    #[error("a key's name has 1 to 32 letters, digits and `-`")]
    Name,
    /// The machine has no randomness.
    #[error("the operating system gives no random numbers")]
    Random,
}

/// A key that was just made: the only time that it can be read.
pub struct NewKey {
    /// The key.
    pub key: Redacted<String>,
    /// What is kept of it.
    pub hash: KeyHash,
}

impl NewKey {
    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyFault::Name`] and [`KeyFault::Random`].
    pub fn make(name: &str) -> Result<Self, KeyFault> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(is_plain) {
            return Err(KeyFault::Name);
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| KeyFault::Random)?;
        let body = format!("{PREFIX}{name}_{}", URL_SAFE_NO_PAD.encode(secret));
        let key = format!("{body}_{}", check(&body));
        Ok(Self { hash: KeyHash::of(&key)?, key: Redacted::new(key) })
    }
}

/// The end of a key, made of what is before it.
fn check(body: &str) -> String {
    let mut text = URL_SAFE_NO_PAD.encode(digest(&SHA256, body.as_bytes())).replace(['-', '_'], "0");
    text.truncate(CHECK_LEN);
    text
}

/// Whether a token says that it is one of these keys.
pub(super) fn is_one(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// Whether a token says that it is one of these keys and cannot be one: known without any hash.
pub(super) fn is_mistyped(token: &str) -> bool {
    let Some((body, found)) = token.rsplit_once('_') else { return false };
    is_one(token) && check(body) != found
}

impl KeyHash {
    /// The hash of a key under a salt of its own.
    ///
    /// # Errors
    /// [`KeyFault::Random`].
    pub fn of(key: &str) -> Result<Self, KeyFault> {
        let mut salt = [0; SALT_LEN];
        getrandom::fill(&mut salt).map_err(|_| KeyFault::Random)?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salt), key.as_bytes());
        let digest = tag.as_ref().try_into().map_err(|_| KeyFault::Hash)?;
        Ok(Self { salt, digest })
    }

    /// Whether `token` is the key. Takes the same time whatever the answer.
    pub(super) fn matches(&self, token: &str) -> bool {
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &self.salt), token.as_bytes(), &self.digest).is_ok()
    }
}

impl FromStr for KeyHash {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<Self, KeyFault> {
        let mut parts = text.split(':');
        let (scheme, salt, digest) = (parts.next(), parts.next(), parts.next());
        if scheme != Some(SCHEME) || parts.next().is_some() {
            return Err(KeyFault::Hash);
        }
        Ok(Self { salt: bytes(salt)?, digest: bytes(digest)? })
    }
}

fn bytes<const N: usize>(text: Option<&str>) -> Result<[u8; N], KeyFault> {
    let bytes = URL_SAFE_NO_PAD.decode(text.unwrap_or_default()).map_err(|_| KeyFault::Hash)?;
    bytes.try_into().map_err(|_| KeyFault::Hash)
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}:{}:{}", URL_SAFE_NO_PAD.encode(self.salt), URL_SAFE_NO_PAD.encode(self.digest))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_recognised_by_its_written_hash_and_no_other() {
        let (new, other) = (NewKey::make("ci").unwrap(), NewKey::make("ci").unwrap());
        let hash: KeyHash = new.hash.to_string().parse().unwrap();
        assert!(hash.matches(new.key.expose()));
        assert!(!hash.matches(other.key.expose()));
    }

    #[test]
    fn a_mistyped_key_is_known_without_its_hash() {
        let new = NewKey::make("ci").unwrap();
        let key = new.key.expose();
        assert!(key.starts_with("myl_ci_") && !is_mistyped(key));
        let mut wrong = key.clone();
        wrong.replace_range(10..11, if &key[10..11] == "x" { "y" } else { "x" });
        assert!(is_mistyped(&wrong));
        assert!(!is_mistyped("tok-alice_1"), "somebody else's form of token is not judged");
    }

    #[test]
    fn names_that_would_not_fit_a_token_are_refused() {
        for name in ["", "a b", "ä", "a_b"] {
            assert!(matches!(NewKey::make(name), Err(KeyFault::Name)), "{name:?}");
        }
    }
}
