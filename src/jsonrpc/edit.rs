//! Splicing: an object with some members replaced, added or removed, and every other byte of its members as it was.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Object, Raw, quote};

/// Changes to the members of one object, carried out by [`Edit::finish`].
#[derive(Clone, Debug)]
pub struct Edit<'a> {
    object: &'a Object,
    changes: SmallVec<[(&'a str, Option<Raw>); 4]>,
}

impl Object {
    /// Changes to single members.
    pub const fn edit(&self) -> Edit<'_> {
        Edit { object: self, changes: SmallVec::new_const() }
    }
}

impl<'a> Edit<'a> {
    /// Replaces the member in its place, or adds it at the end.
    #[must_use]
    #[inline]
    pub fn set(mut self, name: &'a str, value: Raw) -> Self {
        self.changes.push((name, Some(value)));
        self
    }

    /// Adds the member at the end unless it is there.
    #[must_use]
    #[inline]
    pub fn set_default(self, name: &'a str, value: Raw) -> Self {
        if self.object.has(name) { self } else { self.set(name, value) }
    }

    /// Takes the member out, if it is there.
    #[must_use]
    #[inline]
    pub fn remove(mut self, name: &'a str) -> Self {
        if self.object.has(name) || self.changes.iter().any(|(changed, _)| *changed == name) {
            self.changes.push((name, None));
        }
        self
    }

    /// Takes each of these members out, if it is there.
    #[must_use]
    #[inline]
    pub fn remove_all(self, names: &[&'a str]) -> Self {
        names.iter().fold(self, |edit, name| edit.remove(name))
    }

    /// The changed object. Unchanged when no change applies.
    pub fn finish(self) -> Raw {
        let applies = |(name, value): &(&str, Option<Raw>)| value.is_some() || self.object.has(name);
        if !self.changes.iter().any(applies) {
            return self.object.raw().clone();
        }
        let added: usize = self
            .changes
            .iter()
            .map(|(name, value)| name.len() + 4 + value.as_ref().map_or(0, |value| value.bytes().len()))
            .sum();
        let mut out = Vec::with_capacity(self.object.raw().bytes().len() + added);
        out.push(b'{');
        self.write_existing(&mut out);
        self.write_added(&mut out);
        out.push(b'}');
        Raw::trusted(Bytes::from(out))
    }

    /// The last change to a name counts.
    fn change(&self, name: &[u8]) -> Option<&Option<Raw>> {
        self.changes.iter().rev().find(|(changed, _)| changed.as_bytes() == name).map(|(_, value)| value)
    }

    fn write_existing(&self, out: &mut Vec<u8>) {
        let source = self.object.raw().bytes();
        for (name, member) in self.object.members() {
            let value = match self.change(name) {
                None => source.get(member.value()).unwrap_or_default(),
                Some(Some(value)) => value.bytes(),
                Some(None) => continue,
            };
            separate(out);
            out.extend_from_slice(source.get(member.name()).unwrap_or_default());
            out.push(b':');
            out.extend_from_slice(value);
        }
    }

    fn write_added(&self, out: &mut Vec<u8>) {
        for (index, (name, value)) in self.changes.iter().enumerate() {
            let Some(value) = value else { continue };
            let is_last = !self.changes.iter().skip(index + 1).any(|(later, _)| later == name);
            if is_last && !self.object.has(name) {
                separate(out);
                quote(out, name);
                out.push(b':');
                out.extend_from_slice(value.bytes());
            }
        }
    }
}

fn separate(out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(text: &str) -> Object {
        Raw::parse(Bytes::from(text.to_owned()), 128).unwrap().object().unwrap()
    }

    #[test]
    fn replaces_in_place_and_keeps_every_other_value_as_written() {
        let source = object(r#"{ "a" : 1.10 , "name":"x", "big": 12345678901234567890123, "e":1e2 }"#);
        let edited = source.edit().set("name", Raw::literal("\"y\"")).set("z", Raw::literal("[]")).finish();
        assert_eq!(edited.as_str(), r#"{"a":1.10,"name":"y","big":12345678901234567890123,"e":1e2,"z":[]}"#);
    }

    #[test]
    fn removes_first_middle_and_last() {
        let source = object(r#"{"a":1,"b":2,"c":3}"#);
        assert_eq!(source.edit().remove("a").finish().as_str(), r#"{"b":2,"c":3}"#);
        assert_eq!(source.edit().remove("b").finish().as_str(), r#"{"a":1,"c":3}"#);
        assert_eq!(source.edit().remove_all(&["a", "b", "c"]).finish().as_str(), "{}");
        assert_eq!(source.edit().remove("d").finish().as_str(), source.raw().as_str());
    }

    proptest! {
        #[test]
        fn an_edit_equals_the_same_edit_on_a_map(keys in proptest::collection::vec("[a-d]{1,2}", 0..6), name in "[a-d]{1,2}", value in 0u32..9) {
            let mut map = serde_json::Map::new();
            for (index, key) in keys.into_iter().enumerate() {
                map.insert(key, index.into());
            }
            let source = object(&serde_json::to_string(&map).unwrap());
            let set = source.edit().set(&name, Raw::from_value(&value)).finish();
            let removed = source.edit().remove(&name).finish();
            let mut expected = map.clone();
            expected.insert(name.clone(), value.into());
            prop_assert_eq!(set.as_str(), serde_json::to_string(&expected).unwrap());
            map.shift_remove(&name);
            prop_assert_eq!(removed.as_str(), serde_json::to_string(&map).unwrap());
        }
    }
}
