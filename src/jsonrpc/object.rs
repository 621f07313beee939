//! The members of one JSON object, found but not read further.

use std::{borrow::Cow, ops::Range};

use smallvec::SmallVec;

use super::{
    Raw, raw,
    scan::{Scanner, Span, SyntaxError},
};

/// One level of a JSON object: names decoded, values raw, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Object {
    source: Raw,
    members: Members,
    /// Names that were written with escapes, decoded, and where they begin, in that order: `"na\u006de"` is `name`.
    decoded: Vec<(u32, Box<str>)>,
}

type Members = SmallVec<[Member; 8]>;

/// Where one member lies in its object. Small, since every message has several objects, which are moved about.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    name: (u32, u32),
    value: (u32, u32),
}

impl Member {
    #[inline]
    fn new(span: &Span) -> Option<Self> {
        let narrow = |range: &Range<usize>| Some((range.start.try_into().ok()?, range.end.try_into().ok()?));
        Some(Self { name: narrow(&span.name)?, value: narrow(&span.value)? })
    }

    /// The name with its quotes.
    pub(super) fn name(self) -> Range<usize> {
        wide(self.name)
    }

    /// The value.
    pub(super) fn value(self) -> Range<usize> {
        wide(self.value)
    }
}

/// No address is smaller than an offset: `usize` has 32 bits at the least where this runs.
fn wide((start, end): (u32, u32)) -> Range<usize> {
    usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX)
}

impl Default for Object {
    /// The empty object.
    fn default() -> Self {
        Self { source: Raw::empty_object(), members: SmallVec::new(), decoded: Vec::new() }
    }
}

impl Object {
    /// Reads a value that is known to be valid JSON.
    #[inline]
    fn parse(source: Raw) -> Result<Self, SyntaxError> {
        Self::of(source, |text| Scanner::over_valid(text))
    }

    /// Validates a text and finds the members of its outermost object, in one pass.
    #[inline]
    pub(super) fn parse_text(text: &bytes::Bytes, max_depth: usize) -> Result<Self, SyntaxError> {
        std::str::from_utf8(text).map_err(|_| SyntaxError::NotUtf8)?;
        Self::of(Raw::trusted(text.clone()), |text| Scanner::new(text, max_depth))
    }

    #[inline]
    fn of(source: Raw, scanner: impl FnOnce(&[u8]) -> Scanner<'_>) -> Result<Self, SyntaxError> {
        let mut object = Self { source, members: Members::new(), decoded: Vec::new() };
        let Self { source, members, .. } = &mut object;
        let (mut is_escaped, mut is_too_long) = (false, false);
        scanner(source.bytes()).members(|span| {
            is_escaped |= span.is_escaped;
            match Member::new(&span) {
                Some(member) => members.push(member),
                None => is_too_long = true,
            }
        })?;
        if is_too_long {
            return Err(SyntaxError::TooLong);
        }
        if is_escaped {
            object.decode_names()?;
        }
        object.refuse_duplicates()?;
        Ok(object)
    }

    /// Escaped names are decoded, so that no spelling hides a member from the gateway that the other side would read.
    #[cold]
    fn decode_names(&mut self) -> Result<(), SyntaxError> {
        let Self { source, members, decoded } = self;
        for member in members {
            let name = source.bytes().get(member.name()).unwrap_or_default();
            if name.contains(&b'\\') {
                let text: String =
                    serde_json::from_slice(name).map_err(|_| SyntaxError::Unexpected(member.name().start))?;
                decoded.push((member.name.0, text.into()));
            }
        }
        Ok(())
    }

    /// Parsers disagree on which of two equal names wins; a duplicate would let a client show one value to the gateway and another to
    /// the upstream.
    fn refuse_duplicates(&self) -> Result<(), SyntaxError> {
        // Squares are cheap for the sizes that occur; large objects go through a set.
        if self.members.len() > 32 {
            let mut seen = std::collections::HashSet::with_capacity(self.members.len());
            return self.members.iter().try_for_each(|member| {
                if seen.insert(self.name_bytes(member)) {
                    Ok(())
                } else {
                    Err(SyntaxError::Duplicate(member.name().start))
                }
            });
        }
        let mut seen = 0_u64;
        for (index, member) in self.members.iter().enumerate() {
            let name = self.name_bytes(member);
            let mark = mark(name);
            // Most names differ in their lengths or their ends already.
            if seen & mark != 0 && self.members.iter().take(index).any(|other| self.name_bytes(other) == name) {
                return Err(SyntaxError::Duplicate(member.name().start));
            }
            seen |= mark;
        }
        Ok(())
    }

    /// The decoded name. Compared as bytes: checking again that a whole buffer is UTF-8 for each name costs more than the scan.
    #[inline]
    fn name_bytes(&self, member: &Member) -> &[u8] {
        if !self.decoded.is_empty()
            && let Ok(at) = self.decoded.binary_search_by_key(&member.name.0, |(start, _)| *start)
            && let Some((_, decoded)) = self.decoded.get(at)
        {
            return decoded.as_bytes();
        }
        let Range { start, end } = member.name();
        self.source.bytes().get(start + 1..end - 1).unwrap_or_default()
    }

    fn name_of(&self, member: &Member) -> &str {
        std::str::from_utf8(self.name_bytes(member)).unwrap_or_default()
    }

    /// The value of the member with that name.
    #[inline]
    pub fn get(&self, name: &str) -> Option<Raw> {
        self.find(name).map(|member| self.value_of(member))
    }

    /// The JSON text of a member's value, which nobody keeps.
    #[inline]
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.text_of(self.find(name)?)
    }

    /// The text of a string member.
    pub fn text(&self, name: &str) -> Option<String> {
        self.borrowed_text(name).map(Cow::into_owned)
    }

    /// The same, which is copied only where it has escapes.
    pub fn borrowed_text(&self, name: &str) -> Option<Cow<'_, str>> {
        raw::text(std::str::from_utf8(self.value(name)?).ok()?)
    }

    /// Whether there is a member with that name.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Raw)> {
        self.members.iter().map(|member| (self.name_of(member), self.value_of(member)))
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The object's text.
    pub const fn raw(&self) -> &Raw {
        &self.source
    }

    #[inline]
    pub(super) fn find(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| self.name_bytes(member) == name.as_bytes())
    }

    /// The JSON text of a member's value.
    pub(super) fn text_of(&self, member: &Member) -> Option<&[u8]> {
        self.source.bytes().get(member.value())
    }

    /// A member's value.
    pub(super) fn value_of(&self, member: &Member) -> Raw {
        self.source.slice(member.value())
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&[u8], &Member)> {
        self.members.iter().map(|member| (self.name_bytes(member), member))
    }
}

/// One bit of 64, the same for equal names.
#[inline]
fn mark(name: &[u8]) -> u64 {
    let last = name.last().copied().map_or(0, u32::from);
    1_u64.rotate_left(last.wrapping_mul(7).wrapping_add(u32::try_from(name.len()).unwrap_or_default()))
}

impl Raw {
    /// Its members, when it is an object without duplicate names.
    ///
    /// # Errors
    /// [`SyntaxError::NotAnObject`] and [`SyntaxError::Duplicate`].
    #[inline]
    pub fn object(&self) -> Result<Object, SyntaxError> {
        Object::parse(self.clone())
    }

    /// Whether this is an object with a member whose name is written like this, with its quotes. Another spelling of the name is not
    /// seen: to be asked where nothing depends on the answer but how much is left to do.
    pub fn surely_has(&self, quoted: &[u8]) -> bool {
        Scanner::over_valid(self.bytes()).has_member(quoted)
    }

    /// The value of one member, when this is an object that has it.
    pub fn member(&self, name: &str) -> Option<Self> {
        self.object().ok()?.get(name)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn object(text: &'static str) -> Result<Object, SyntaxError> {
        Raw::parse(Bytes::from_static(text.as_bytes()), 128)?.object()
    }

    #[test]
    fn finds_members_however_their_names_are_spelled() {
        let object = object(r#"{"na\u006de":"x","n":{"name":1}}"#).unwrap();
        assert_eq!(object.text("name").as_deref(), Some("x"));
        assert_eq!(object.get("n").unwrap().as_str(), r#"{"name":1}"#);
    }

    #[test]
    fn an_object_of_very_many_escaped_names_is_read_in_a_moment() {
        use std::fmt::Write;

        let mut text = String::from("{");
        for number in 0..100_000 {
            write!(text, r#""\u006e{number}":0,"#).unwrap();
        }
        text.push_str(r#""z":1}"#);
        let object = Raw::parse(Bytes::from(text), 128).unwrap().object().unwrap();
        assert_eq!((object.len(), object.get("n99999").is_some()), (100_001, true));
    }

    #[test]
    fn says_that_a_member_is_there_wherever_it_stands_and_does_not_look_into_values() {
        let has =
            |text: &'static str| Raw::parse(Bytes::from_static(text.as_bytes()), 128).unwrap().surely_has(b"\"n\"");
        assert!(has(r#"{"n":1}"#) && has(r#" { "a" : { "b" : [ "}" ] } , "n" : { } } "#));
        for text in ["{}", r#"{"a":{"n":1}}"#, r#"{"a":["n"],"b":"n"}"#, r#"["n"]"#, r#""n""#, "1"] {
            assert!(!has(text), "{text}");
        }
    }

    #[test]
    fn refuses_duplicates_also_when_spelled_differently() {
        assert!(matches!(object(r#"{"name":1,"na\u006de":2}"#), Err(SyntaxError::Duplicate(_))));
        assert!(matches!(object(r#"{"name":1,"x":0,"name":2}"#), Err(SyntaxError::Duplicate(_))));
    }
}
