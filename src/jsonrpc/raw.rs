//! A JSON value that is kept as its text.

use std::{borrow::Cow, fmt};

use bytes::Bytes;

use super::scan::{Scanner, SyntaxError};

/// A valid JSON value as the bytes that arrived, without white space around it. Clones share the buffer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Raw(Bytes);

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number.
    Number,
    /// `true` or `false`
    Boolean,
    /// `null`
    Null,
}

impl Raw {
    /// Validates one JSON value.
    ///
    /// # Errors
    /// What [`SyntaxError`] lists, but [`SyntaxError::Duplicate`]: members are looked at by `Raw::object`.
    pub fn parse(text: Bytes, max_depth: usize) -> Result<Self, SyntaxError> {
        std::str::from_utf8(&text).map_err(|_| SyntaxError::NotUtf8)?;
        let range = Scanner::new(&text, max_depth).document()?;
        Ok(Self(text.slice(range)))
    }

    /// The JSON text of a value made here.
    pub fn from_value(value: &impl serde::Serialize) -> Self {
        // Only types of this crate come here; a map with keys that are no strings would be a mistake in the code.
        Self(Bytes::from(serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec())))
    }

    /// A value whose text is known to be valid JSON.
    pub(crate) const fn trusted(text: Bytes) -> Self {
        Self(text)
    }

    /// A literal of the source code.
    pub const fn literal(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The string as a JSON value.
    pub fn string(text: &str) -> Self {
        let mut out = Vec::with_capacity(text.len() + 2);
        super::quote(&mut out, text);
        Self(Bytes::from(out))
    }

    /// `{}`
    pub const fn empty_object() -> Self {
        Self::literal("{}")
    }

    /// The bytes.
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// What it is, told by its first byte.
    pub fn kind(&self) -> Kind {
        match self.0.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// Its elements, when it is an array.
    pub fn elements(&self) -> Option<Vec<Self>> {
        let mut out = Vec::new();
        Scanner::over_valid(&self.0).elements(|range| out.push(Self(self.0.slice(range)))).ok()?;
        Some(out)
    }

    /// The text of a JSON string. `None` for other kinds and for strings that are not Unicode (a lone surrogate escape).
    pub fn text(&self) -> Option<Cow<'_, str>> {
        text(self.as_str())
    }

    /// The value of `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match &*self.0 {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// The value as an unsigned integer.
    pub fn unsigned(&self) -> Option<u64> {
        self.as_str().parse().ok()
    }

    /// The same value in a buffer of its own, so that the one it came in can go.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// Part of this value's buffer.
    pub(super) fn slice(&self, range: std::ops::Range<usize>) -> Self {
        Self(self.0.slice(range))
    }
}

/// The text of a JSON string.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &serde_json::value::RawValue =
            serde_json::from_str(self.as_str()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}
