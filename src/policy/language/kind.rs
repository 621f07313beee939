//! What is known of a value before there is one.

use std::fmt;

use super::mentions::Variable;

/// What is known of a value before there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// Text.
    Text,
    /// A number of any type.
    Number,
    /// A list.
    List,
    /// A list of texts.
    Texts,
    /// A mapping with keys that nobody knows yet.
    Map,
    /// One of the variables that have fields.
    Record(Variable),
    /// `tool.annotations`.
    Annotations,
    /// A point in time.
    Time,
    /// A length of time.
    Span,
    /// `null`.
    Null,
    /// Bytes.
    Bytes,
    /// Nothing is known of it.
    Any,
}

impl Kind {
    /// Whether a value of this kind can be where one of the other is wanted.
    pub(super) fn fits(self, wanted: Self) -> bool {
        let is_map = |kind| matches!(kind, Self::Map | Self::Record(_) | Self::Annotations);
        let is_list = |kind| matches!(kind, Self::List | Self::Texts);
        self == wanted
            || self == Self::Any
            || wanted == Self::Any
            || (is_map(self) && is_map(wanted))
            || (is_list(self) && is_list(wanted))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "true or false",
            Self::Text => "text",
            Self::Number => "a number",
            Self::List | Self::Texts => "a list",
            Self::Map | Self::Annotations => "a mapping",
            Self::Record(variable) => return write!(f, "`{}`", variable.name()),
            Self::Time => "a time",
            Self::Span => "a duration",
            Self::Null => "null",
            Self::Bytes => "bytes",
            Self::Any => "anything",
        })
    }
}
