//! The chain: each line carries the hash of the line before it, and the hash of itself.
//!
//! A line's hash is of its bytes up to its last member, `hash`; among them are `seq` and `prev`. So each hash vouches for all lines before.

use std::{fmt, io::Write, str::FromStr};

use aws_lc_rs::{digest, hmac};

use crate::redact::Redacted;

/// Bytes of a hash.
const HASH: usize = 32;
/// What comes between a line and its hash.
const BEFORE_HASH: &[u8] = b",\"hash\":\"";
/// What comes behind it.
const AFTER_HASH: &[u8] = b"\"}";

/// Where a chain stands: the number and the hash of its last line. Kept elsewhere, it shows whether lines were taken off the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the last line; 0 where there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; HASH],
}

/// A text is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a head: a number, a colon and 64 hexadecimal digits")]
pub struct NoHead;

impl Head {
    /// Before the first line.
    pub(super) const START: Self = Self { seq: 0, hash: [0; HASH] };

    pub(super) fn hex(&self) -> String {
        hex(&self.hash)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hex())
    }
}

impl FromStr for Head {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, NoHead> {
        let (seq, hash) = text.split_once(':').ok_or(NoHead)?;
        Ok(Self { seq: seq.parse().map_err(|_| NoHead)?, hash: unhex(hash).ok_or(NoHead)? })
    }
}

/// How hashes are made: of the bytes alone, or with a key.
pub(super) struct Hasher(Option<hmac::Key>);

impl Hasher {
    pub(super) fn new(key: Option<&Redacted<String>>) -> Self {
        Self(key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes())))
    }

    pub(super) const fn is_keyed(&self) -> bool {
        self.0.is_some()
    }

    fn hash(&self, bytes: &[u8]) -> [u8; HASH] {
        let mut hash = [0; HASH];
        let made = match &self.0 {
            Some(key) => fill(&mut hash, hmac::sign(key, bytes).as_ref()),
            None => fill(&mut hash, digest::digest(&digest::SHA256, bytes).as_ref()),
        };
        debug_assert!(made, "both are of 32 bytes");
        hash
    }

    /// Whether a line, without its end, has the hash that it says it has.
    pub(super) fn vouches_for(&self, line: &[u8]) -> Option<[u8; HASH]> {
        let (body, said) = split(line)?;
        (self.hash(body) == said).then_some(said)
    }
}

/// A chain while it grows.
pub(super) struct Chain {
    pub(super) head: Head,
    hasher: Hasher,
}

impl Chain {
    pub(super) const fn new(head: Head, hasher: Hasher) -> Self {
        Self { head, hasher }
    }

    pub(super) const fn is_keyed(&self) -> bool {
        self.hasher.is_keyed()
    }

    /// Appends a line, with its end, to `out`; `open` is an object that is still open.
    pub(super) fn seal(&mut self, open: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let seq = self.head.seq.saturating_add(1);
        out.extend_from_slice(open);
        // Writing to a Vec does not fail.
        let _ = write!(out, ",\"seq\":{seq},\"prev\":\"");
        push_hex(out, &self.head.hash);
        out.push(b'"');
        let hash = self.hasher.hash(out.get(start..).unwrap_or_default());
        self.head = Head { seq, hash };
        out.extend_from_slice(BEFORE_HASH);
        push_hex(out, &hash);
        out.extend_from_slice(AFTER_HASH);
        out.push(b'\n');
    }
}

/// What is hashed of a line, and the hash that it says.
fn split(line: &[u8]) -> Option<(&[u8], [u8; HASH])> {
    let rest = line.strip_suffix(AFTER_HASH)?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(HASH * 2)?)?;
    Some((rest.strip_suffix(BEFORE_HASH)?, unhex(std::str::from_utf8(hash).ok()?)?))
}

fn fill(hash: &mut [u8; HASH], from: &[u8]) -> bool {
    let fits = from.len() == HASH;
    if fits {
        hash.copy_from_slice(from);
    }
    fits
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len() * 2);
    push_hex(&mut text, bytes);
    String::from_utf8(text).unwrap_or_default()
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

/// Only lower-case digits: a line has one form.
fn unhex(text: &str) -> Option<[u8; HASH]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut hash = [0; HASH];
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != HASH * 2 {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        let [high, low] = pair else { return None };
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(hash)
}

/// The SHA-256 of bytes, as hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}
