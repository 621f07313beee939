//! The members of one JSON object, found but not read further.

use std::ops::Range;

use smallvec::SmallVec;

use super::{
    Raw, raw,
    scan::{Scanner, SyntaxError},
};

/// One level of a JSON object: names decoded, values raw, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Object {
    source: Raw,
    members: Members,
}

type Members = SmallVec<[Member; 8]>;

/// Where one member lies in its object.
#[derive(Clone, Debug)]
pub struct Member {
    /// The name with its quotes.
    pub(super) name: Range<usize>,
    /// The value.
    pub(super) value: Range<usize>,
    /// The decoded name, where it was written with escapes: `"na\u006de"` is `name`.
    decoded: Option<Box<str>>,
}

impl Default for Object {
    /// The empty object.
    fn default() -> Self {
        Self { source: Raw::empty_object(), members: SmallVec::new() }
    }
}

impl Object {
    /// Reads a value that is known to be valid JSON.
    fn parse(source: Raw) -> Result<Self, SyntaxError> {
        let members = find(Scanner::over_valid(source.bytes()))?;
        Self::of(source, members)
    }

    /// Validates a text and finds the members of its outermost object, in one pass.
    pub(super) fn parse_text(text: &bytes::Bytes, max_depth: usize) -> Result<Self, SyntaxError> {
        std::str::from_utf8(text).map_err(|_| SyntaxError::NotUtf8)?;
        let members = find(Scanner::new(text, max_depth))?;
        Self::of(Raw::trusted(text.clone()), members)
    }

    fn of(source: Raw, members: Members) -> Result<Self, SyntaxError> {
        let mut object = Self { source, members };
        object.decode_names()?;
        object.refuse_duplicates()?;
        Ok(object)
    }

    /// Escaped names are decoded, so that no spelling hides a member from the gateway that the other side would read.
    fn decode_names(&mut self) -> Result<(), SyntaxError> {
        let Self { source, members } = self;
        for member in members {
            let name = source.bytes().get(member.name.clone()).unwrap_or_default();
            if memchr::memchr(b'\\', name).is_some() {
                let decoded: String =
                    serde_json::from_slice(name).map_err(|_| SyntaxError::Unexpected(member.name.start))?;
                member.decoded = Some(decoded.into());
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
                    Err(SyntaxError::Duplicate(member.name.start))
                }
            });
        }
        for (index, member) in self.members.iter().enumerate() {
            let earlier = self.members.iter().take(index);
            if earlier.clone().any(|other| self.name_bytes(other) == self.name_bytes(member)) {
                return Err(SyntaxError::Duplicate(member.name.start));
            }
        }
        Ok(())
    }

    /// The decoded name. Compared as bytes: checking again that a whole buffer is UTF-8 for each name costs more than the scan.
    fn name_bytes<'a>(&'a self, member: &'a Member) -> &'a [u8] {
        match &member.decoded {
            Some(decoded) => decoded.as_bytes(),
            None => self.source.bytes().get(member.name.start + 1..member.name.end - 1).unwrap_or_default(),
        }
    }

    fn name_of<'a>(&'a self, member: &'a Member) -> &'a str {
        std::str::from_utf8(self.name_bytes(member)).unwrap_or_default()
    }

    /// The value of the member with that name.
    pub fn get(&self, name: &str) -> Option<Raw> {
        self.find(name).map(|member| self.source.slice(member.value.clone()))
    }

    /// The text of a string member.
    pub fn text(&self, name: &str) -> Option<String> {
        let value = self.source.bytes().get(self.find(name)?.value.clone())?;
        raw::text(std::str::from_utf8(value).ok()?).map(std::borrow::Cow::into_owned)
    }

    /// Whether there is a member with that name.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Raw)> {
        self.members.iter().map(|member| (self.name_of(member), self.source.slice(member.value.clone())))
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

    pub(super) fn find(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| self.name_bytes(member) == name.as_bytes())
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&[u8], &Member)> {
        self.members.iter().map(|member| (self.name_bytes(member), member))
    }
}

fn find(scanner: Scanner<'_>) -> Result<Members, SyntaxError> {
    let mut members = Members::new();
    scanner.members(|(name, value)| members.push(Member { name, value, decoded: None }))?;
    Ok(members)
}

impl Raw {
    /// Its members, when it is an object without duplicate names.
    ///
    /// # Errors
    /// [`SyntaxError::NotAnObject`] and [`SyntaxError::Duplicate`].
    pub fn object(&self) -> Result<Object, SyntaxError> {
        Object::parse(self.clone())
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
    fn refuses_duplicates_also_when_spelled_differently() {
        assert!(matches!(object(r#"{"name":1,"na\u006de":2}"#), Err(SyntaxError::Duplicate(_))));
        assert!(matches!(object(r#"{"name":1,"x":0,"name":2}"#), Err(SyntaxError::Duplicate(_))));
    }
}
