//! Request ids, kept as they were written.

use std::fmt;

use bytes::Bytes;

use super::{Kind, Raw, quote};

/// A JSON-RPC request id: a string or an integer. `1` and `"1"` are different ids; an id is answered as it was written.
/// (2026-07-28 basic/index, Requests: never null.)
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Id(Raw);

impl Id {
    /// The longest id that is accepted, in bytes: room for anything sensible, not for a payload.
    pub const MAX_BYTES: usize = 1024;

    /// Reads an id.
    pub fn parse(raw: Raw) -> Option<Self> {
        if raw.bytes().len() > Self::MAX_BYTES {
            return None;
        }
        match raw.kind() {
            Kind::Number if !raw.bytes().iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => Some(Self(raw)),
            Kind::String => Self::parse_string(raw),
            _ => None,
        }
    }

    /// Strings compare by their text, so one spelling is kept: escapes that are not needed go away only in comparisons with others
    /// that were written differently, which no peer does; therefore a string without escapes is kept, and another written anew.
    fn parse_string(raw: Raw) -> Option<Self> {
        if memchr::memchr(b'\\', raw.bytes()).is_none() {
            return Some(Self(raw));
        }
        let mut out = Vec::new();
        quote(&mut out, &raw.text()?);
        Some(Self(Raw::trusted(Bytes::from(out))))
    }

    /// The JSON value.
    pub const fn raw(&self) -> &Raw {
        &self.0
    }

    /// The number, when it is one that this gateway could have given.
    pub fn number(&self) -> Option<u64> {
        if self.0.kind() == Kind::Number { self.0.unsigned() } else { None }
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self(Raw::trusted(Bytes::from(number.to_string())))
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Self(Raw::string(text))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
