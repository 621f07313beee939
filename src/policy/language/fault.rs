//! What is wrong with a condition.

use super::kind::Kind;

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionFault {
    /// There is none.
    #[error("a condition must not be empty; `true` holds for every call")]
    Empty,
    /// It is too long to be read by people.
    #[error("a condition has at most {limit} bytes; make several rules of it")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It is nested too deep.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The parser's own words.
    #[error("not CEL, at line {line}, column {column} of the condition: {message}")]
    Syntax {
        /// The line within the condition, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// The parser's own words.
        message: Box<str>,
    },
    /// There is no such variable.
    #[error("unknown variable `{name}`{}", did_you_mean(.near.as_deref()))]
    UnknownVariable {
        /// As it was written.
        name: Box<str>,
        /// What may have been meant.
        near: Option<Box<str>>,
    },
    /// There is no such field.
    #[error("`{of}` has no field `{name}`{}", did_you_mean(.near.as_deref()))]
    UnknownField {
        /// The variable.
        of: Box<str>,
        /// As it was written.
        name: Box<str>,
        /// What may have been meant.
        near: Option<Box<str>>,
    },
    /// There is no such function.
    #[error("unknown function `{name}`{}", did_you_mean(.near.as_deref()))]
    UnknownFunction {
        /// As it was written.
        name: Box<str>,
        /// What may have been meant.
        near: Option<Box<str>>,
    },
    /// A function has another number of arguments.
    #[error("`{function}` is written `{form}`")]
    Arguments {
        /// The function.
        function: &'static str,
        /// How it is written.
        form: &'static str,
    },
    /// Something is of a kind that cannot be there.
    #[error("`{operation}` needs {wanted}, and gets {got}")]
    Mismatch {
        /// The function or operator.
        operation: Box<str>,
        /// What it needs.
        wanted: Kind,
        /// What is there.
        got: Kind,
    },
    /// Two kinds are never equal.
    #[error("{left} and {right} are never equal")]
    NeverEqual {
        /// The one.
        left: Kind,
        /// The other.
        right: Kind,
    },
    /// It comes to neither true nor false.
    #[error("a condition is true or false, and this is {got}")]
    NotBoolean {
        /// What it is.
        got: Kind,
    },
    /// A pattern of `matches` is no regular expression.
    #[error("`{pattern}` is no regular expression")]
    BadPattern {
        /// The pattern.
        pattern: Box<str>,
    },
    /// No call has all that it speaks of.
    #[error(
        "no call has all that this rule speaks of: a call is about a tool, a prompt or a resource, and only tools and prompts have \
         arguments"
    )]
    AboutNothing,
    /// Structures of other types have no place here.
    #[error("`{name}{{…}}` is no type that is known here")]
    Structure {
        /// The type's name.
        name: Box<str>,
    },
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}
