//! Sealed tokens: what must survive a hop through a client's hands, unreadable and unforgeable.
//!
//! Session ids, cursors, task ids and resume tokens are sealed with AES-256-GCM-SIV (RFC 8452), whose random nonces may even repeat
//! without giving a key away, under a ring of keys: the first seals, all open, so that keys rotate without a failed request. What a token
//! is for is authenticated with it, so that a cursor never opens as a session id. A token is no credential: whoever opens it checks
//! the principal inside.
//!
//! Form: base64url, unpadded, of `version (1) | key id (4) | nonce (12) | ciphertext and tag`. What is sealed in version 2 begins with the
//! home of what the token stands for, after one byte with its length: the gateway that has it, where others can reach that
//! ([`KeyRing::at`]).

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
    error::Unspecified,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// A token that any gateway with the keys can use.
const ANYWHERE: u8 = 1;
/// A token that names its home.
const AT_HOME: u8 = 2;
const KEY_ID_LEN: usize = 4;
const HEADER_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A legacy session's id.
    Session,
    /// A stream of the HTTP+SSE transport.
    Stream,
    /// A place in a list.
    Cursor,
    /// A round of a call that waits for input.
    Resume,
    /// A task's id.
    Task,
    /// A user's connection to a server, as it is written down.
    Connection,
    /// What an authorization server gave the gateway when it registered itself, as it is written down.
    Registration,
    /// What a server listed, as it is written down.
    Catalog,
    /// That a form was made for this browser.
    Form,
    /// A step on the pages of consent.
    Page,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Session => b"myelin session 1",
            Self::Stream => b"myelin stream 1",
            Self::Cursor => b"myelin cursor 1",
            Self::Resume => b"myelin resume 1",
            Self::Task => b"myelin task 1",
            Self::Connection => b"myelin connection 1",
            Self::Registration => b"myelin registration 1",
            Self::Catalog => b"myelin catalog 1",
            Self::Form => b"myelin form 1",
            Self::Page => b"myelin page 1",
        }
    }
}

/// A token was not sealed by this ring for this purpose, or was changed on the way. Says no more on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token of this gateway")]
pub struct NotSealedHere;

/// What one gateway proves to another that it has the same key: the seed of a key pair for signatures.
pub type Seed = Zeroizing<[u8; 32]>;

/// The keys, newest first.
#[derive(Debug)]
pub struct KeyRing {
    keys: Vec<Key>,
    home: Option<Arc<str>>,
}

struct Key {
    id: [u8; KEY_ID_LEN],
    aead: LessSafeKey,
    seed: Seed,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:02x?})", self.id)
    }
}

impl KeyRing {
    /// A ring made from secrets of any length (32 random bytes in any encoding are a good choice), newest first. Without a secret a random
    /// key is made: tokens then die with the process.
    ///
    /// # Errors
    /// Only when the machine has no randomness.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, Unspecified> {
        let mut keys =
            secrets.into_iter().map(|secret| Key::derive(secret.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            let mut secret = [0; 32];
            random(&mut secret)?;
            keys.push(Key::derive(&secret)?);
        }
        Ok(Self { keys, home: None })
    }

    /// The ring of a gateway that others with the same keys reach at `home`, which must be shorter than 256 bytes.
    #[must_use]
    pub fn at(self, home: &str) -> Self {
        Self { home: Some(home.into()), ..self }
    }

    /// What the keys prove to those who have them, in their order.
    pub fn seeds(&self) -> impl Iterator<Item = &Seed> {
        self.keys.iter().map(|key| &key.seed)
    }

    /// Seals `content` for `purpose`: for any gateway with the keys.
    ///
    /// # Errors
    /// Only when the machine has no randomness.
    pub fn seal(&self, purpose: Purpose, content: &[u8]) -> Result<String, Unspecified> {
        self.seal_as(ANYWHERE, purpose, content.to_vec())
    }

    /// Seals `content` for `purpose`, and that it is of use here only: others find out where, if this gateway can be reached.
    ///
    /// # Errors
    /// As [`KeyRing::seal`].
    pub fn seal_here(&self, purpose: Purpose, content: &[u8]) -> Result<String, Unspecified> {
        let Some(home) = &self.home else { return self.seal(purpose, content) };
        let length = u8::try_from(home.len()).map_err(|_| Unspecified)?;
        self.seal_as(AT_HOME, purpose, [&[length], home.as_bytes(), content].concat())
    }

    fn seal_as(&self, version: u8, purpose: Purpose, mut sealed: Vec<u8>) -> Result<String, Unspecified> {
        let key = self.keys.first().ok_or(Unspecified)?;
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        key.aead.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            authenticated(version, purpose),
            &mut sealed,
        )?;
        let mut token = Vec::with_capacity(HEADER_LEN + sealed.len());
        token.push(version);
        token.extend_from_slice(&key.id);
        token.extend_from_slice(&nonce);
        token.append(&mut sealed);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// Whether a token names the key that seals now, and no older one. Says nothing of whether the token opens.
    pub fn seals_as(&self, token: &str) -> bool {
        let bytes = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        let named = bytes.get(1..HEADER_LEN).and_then(|header| header.get(..KEY_ID_LEN));
        self.keys.first().is_some_and(|newest| named == Some(newest.id.as_slice()))
    }

    /// Opens a token that this ring sealed for `purpose`, wherever its home is.
    ///
    /// # Errors
    /// [`NotSealedHere`], whatever the reason.
    pub fn open(&self, purpose: Purpose, token: &str) -> Result<Vec<u8>, NotSealedHere> {
        self.opened(purpose, token).map(|(_, content)| content)
    }

    /// The home of what a token stands for, where that is another gateway. `None` for tokens that are nobody's, too.
    pub fn elsewhere(&self, purpose: Purpose, token: &str) -> Option<String> {
        let own = self.home.as_deref()?;
        let (home, _) = self.opened(purpose, token).ok()?;
        home.filter(|home| home != own)
    }

    fn opened(&self, purpose: Purpose, token: &str) -> Result<(Option<String>, Vec<u8>), NotSealedHere> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| NotSealedHere)?;
        let (&version, rest) = bytes.split_first().ok_or(NotSealedHere)?;
        let (id, rest) = rest.split_at_checked(KEY_ID_LEN).ok_or(NotSealedHere)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(NotSealedHere)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotSealedHere)?;
        let key = self.keys.iter().find(|key| key.id == id).ok_or(NotSealedHere)?;
        let mut content = sealed.to_vec();
        let opened =
            key.aead.open_in_place(nonce, authenticated(version, purpose), &mut content).map_err(|_| NotSealedHere)?;
        let length = opened.len();
        content.truncate(length);
        match version {
            ANYWHERE => Ok((None, content)),
            AT_HOME => {
                let (&length, rest) = content.split_first().ok_or(NotSealedHere)?;
                let (home, content) = rest.split_at_checked(length.into()).ok_or(NotSealedHere)?;
                let home = str::from_utf8(home).map_err(|_| NotSealedHere)?;
                Ok((Some(home.to_owned()), content.to_vec()))
            }
            _ => Err(NotSealedHere),
        }
    }
}

/// What is authenticated with a token: what it is for, and whether its content begins with a home.
fn authenticated(version: u8, purpose: Purpose) -> Aad<Vec<u8>> {
    let form: &[u8] = if version == AT_HOME { b" at home" } else { b"" };
    Aad::from([purpose.label(), form].concat())
}

impl Key {
    fn derive(secret: &[u8]) -> Result<Self, Unspecified> {
        let material = digest(&SHA256, &[b"myelin sealing key 1:", secret].concat());
        let fingerprint = digest(&SHA256, &[b"myelin key id 1:", material.as_ref()].concat());
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(fingerprint.as_ref().get(..KEY_ID_LEN).ok_or(Unspecified)?);
        let seed = digest(&SHA256, &[b"myelin hop key 1:", material.as_ref()].concat());
        let mut own = Seed::default();
        own.copy_from_slice(seed.as_ref());
        let aead = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, material.as_ref())?);
        Ok(Self { id, aead, seed: own })
    }
}

/// Random bytes of the operating system. The cryptographic library's own generator takes 30 ms to start, which is longer than this
/// gateway may take for its first answer.
fn random(bytes: &mut [u8]) -> Result<(), Unspecified> {
    getrandom::fill(bytes).map_err(|_| Unspecified)
}

/// Bits by which spans of a trace are told apart.
///
/// # Errors
/// Only when the machine has no randomness.
pub fn random_span() -> Result<[u8; 8], Unspecified> {
    let mut bytes = [0; 8];
    random(&mut bytes)?;
    Ok(bytes)
}

/// A share of `whole`, from half of it to all: what many wait who must not come back at the same time. All of it when the machine has no
/// randomness.
pub fn jittered(whole: Duration) -> Duration {
    let mut byte = [u8::MAX];
    let _ = random(&mut byte);
    whole / 2 + whole / 2 * u32::from(byte[0]) / u32::from(u8::MAX)
}

/// 128 random bits as text, for ids that must not be guessed.
///
/// # Errors
/// Only when the machine has no randomness.
pub fn random_id() -> Result<String, Unspecified> {
    let mut bytes = [0; 16];
    random(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn opens_only_what_it_sealed_for_the_same_purpose() {
        let ring = KeyRing::new(["a"]).unwrap();
        let token = ring.seal(Purpose::Cursor, b"page 2").unwrap();
        assert_eq!(ring.open(Purpose::Cursor, &token).unwrap(), b"page 2");
        assert_eq!(ring.open(Purpose::Session, &token), Err(NotSealedHere));
        assert_eq!(KeyRing::new(["b"]).unwrap().open(Purpose::Cursor, &token), Err(NotSealedHere));
    }

    #[test]
    fn opens_tokens_of_an_older_key_after_rotation() {
        let token = KeyRing::new(["old"]).unwrap().seal(Purpose::Task, b"x").unwrap();
        let ring = KeyRing::new(["new", "old"]).unwrap();
        assert_eq!(ring.open(Purpose::Task, &token).unwrap(), b"x");
        assert!(
            !ring.seals_as(&token) && !ring.seals_as("") && ring.seals_as(&ring.seal(Purpose::Task, b"x").unwrap())
        );
    }

    #[test]
    fn what_is_sealed_at_a_home_is_elsewhere_for_the_others_and_opens_for_all() {
        let (one, other) = (KeyRing::new(["k"]).unwrap().at("one:1"), KeyRing::new(["k"]).unwrap().at("other:1"));
        let token = one.seal_here(Purpose::Session, b"content").unwrap();
        assert_eq!(one.open(Purpose::Session, &token).unwrap(), b"content");
        assert_eq!(other.open(Purpose::Session, &token).unwrap(), b"content");
        assert_eq!(other.elsewhere(Purpose::Session, &token).as_deref(), Some("one:1"));
        assert_eq!(one.elsewhere(Purpose::Session, &token), None);
        assert_eq!(other.elsewhere(Purpose::Page, &token), None);
        assert_eq!(KeyRing::new(["k"]).unwrap().elsewhere(Purpose::Session, &token), None, "cannot be forwarded");
        let anywhere = one.seal(Purpose::Session, b"content").unwrap();
        assert_eq!(other.elsewhere(Purpose::Session, &anywhere), None);
    }

    #[test]
    fn content_is_never_read_as_a_home() {
        let ring = KeyRing::new(["k"]).unwrap().at("here:1");
        for token in [ring.seal(Purpose::Cursor, b"\x03abc").unwrap(), ring.seal_here(Purpose::Cursor, b"x").unwrap()] {
            let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
            bytes[0] = ANYWHERE + AT_HOME - bytes[0];
            assert_eq!(ring.open(Purpose::Cursor, &URL_SAFE_NO_PAD.encode(bytes)), Err(NotSealedHere));
        }
    }

    proptest! {
        #[test]
        fn refuses_any_other_text(text in "\\PC{0,80}") {
            prop_assert_eq!(KeyRing::new([]).unwrap().open(Purpose::Session, &text), Err(NotSealedHere));
        }

        #[test]
        fn refuses_a_token_with_one_byte_changed(at in 0usize..60, flip in 1u8..=255) {
            let ring = KeyRing::new(["k"]).unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(ring.seal(Purpose::Resume, b"some content here that is long").unwrap()).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            prop_assert_eq!(ring.open(Purpose::Resume, &URL_SAFE_NO_PAD.encode(bytes)), Err(NotSealedHere));
        }
    }
}
