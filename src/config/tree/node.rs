//! The values of a tree.

use crate::config::place::Position;

/// One value and its position.
#[derive(Clone)]
pub(in crate::config) struct Node {
    pub(in crate::config) value: Value,
    pub(in crate::config) at: Position,
}

/// A value.
#[derive(Clone)]
pub(in crate::config) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A scalar as written.
#[derive(Clone)]
pub(in crate::config) struct Scalar {
    pub(in crate::config) text: String,
    pub(in crate::config) style: Style,
}

/// Whether a scalar stood in quotes: only a plain one can be nothing, a number or a truth value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Style {
    Plain,
    Quoted,
}

/// One key of a mapping.
#[derive(Clone)]
pub(in crate::config) struct Entry {
    pub(in crate::config) key: String,
    pub(in crate::config) at: Position,
    pub(in crate::config) value: Node,
}

impl Node {
    /// Text as if it had been written in quotes at `at`.
    pub(in crate::config) fn text(text: impl Into<String>, at: Position) -> Self {
        Self { value: Value::Scalar(Scalar { text: text.into(), style: Style::Quoted }), at }
    }

    /// A word or a number as if it had been written without quotes at `at`.
    pub(in crate::config) fn plain(text: impl Into<String>, at: Position) -> Self {
        Self { value: Value::Scalar(Scalar { text: text.into(), style: Style::Plain }), at }
    }

    /// A mapping at `at`.
    pub(in crate::config) fn map(entries: Vec<Entry>, at: Position) -> Self {
        Self { value: Value::Map(entries), at }
    }

    /// The value of `key`, when this is a mapping that has it.
    pub(in crate::config) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The entries, none when this is no mapping.
    pub(in crate::config) fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The value of `key` to be changed.
    pub(in crate::config) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.entries_mut().iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
    }

    /// The entries to be changed, none when this is no mapping.
    pub(in crate::config) fn entries_mut(&mut self) -> &mut [Entry] {
        if let Value::Map(entries) = &mut self.value { entries } else { &mut [] }
    }

    /// The elements, none when this is no list.
    pub(in crate::config) fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The text of a scalar.
    pub(in crate::config) fn scalar(&self) -> Option<&str> {
        if let Value::Scalar(scalar) = &self.value { Some(&scalar.text) } else { None }
    }

    /// Whether this is a mapping.
    pub(in crate::config) fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// Whether nothing was written: `key:` or `key: null`.
    pub(in crate::config) fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar(Scalar { text, style: Style::Plain }) if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// What this is, for a message that wanted something else.
    pub(in crate::config) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Map(_) => "a mapping",
            Value::List(_) => "a list",
            Value::Scalar(_) if self.is_nothing() => "nothing",
            Value::Scalar(Scalar { style: Style::Quoted, .. }) => "text",
            Value::Scalar(_) => "a value",
        }
    }
}

impl Entry {
    /// A key whose value stands where the key does.
    pub(in crate::config) fn new(key: impl Into<String>, value: Node) -> Self {
        Self { key: key.into(), at: value.at, value }
    }
}
