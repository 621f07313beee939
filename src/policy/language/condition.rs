//! A condition: read, checked, and asked.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, ExecutionError, IdedExpr, Value,
    common::types::{CelBool, STRING_TYPE},
    parser::{ParseError, PrattParser},
};

use super::{check, fault::ConditionFault, kind::Kind, matches, mentions::Mentions};

/// Longer conditions are not read by people, and are several rules.
const MAX_BYTES: usize = 4096;
/// What the parser may nest: brackets count, too.
const MAX_NESTED: u16 = 64;
/// What is left of it. Asking takes up to 37 KiB of a thread's stack for each level (measured in a debug build, cel 0.15): within half
/// of the 2 MiB that a thread has.
const MAX_LEVELS: usize = 24;

/// Functions and types of the language. The parser that CEL's Rust crate has besides its first one takes no recursion without a bound
/// and says better what it misses (docs/adr/0017).
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    let text = || STRING_TYPE.to_owned();
    // Declared once, and by nobody else: neither can fail.
    let _ = environment.add_member_overload(matches::NAME, "text", text(), vec![text()], matches::matches);
    let _ = environment.add_overload(matches::NAME, "texts", vec![text(), text()], matches::matches);
    Arc::new(environment)
});

/// What conditions are asked in.
pub(in crate::policy) fn environment() -> Arc<Env> {
    ENVIRONMENT.clone()
}

/// A condition that was read and checked.
#[derive(Clone, Debug)]
pub struct Condition {
    expression: IdedExpr,
    mentions: Mentions,
}

/// Why a condition came to nothing.
#[derive(Clone, Debug)]
pub(in crate::policy) enum Failure {
    /// Something in it cannot be.
    Error(ExecutionError),
    /// It is neither true nor false.
    NotBoolean,
    /// A mistake of the interpreter.
    Panicked,
}

impl Failure {
    /// For the log: without any value, since those are the callers'.
    pub(in crate::policy) const fn reason(&self) -> &'static str {
        match self {
            Self::NotBoolean => "it came to neither true nor false",
            Self::Panicked => "the interpreter broke down",
            Self::Error(error) => match error {
                ExecutionError::NoSuchKey(_) => "a field or key is not there; ask with `has(…)` first",
                ExecutionError::UndeclaredReference(_) => "something that it needs is not known or too large",
                ExecutionError::IndexOutOfBounds(_) => "a list has no such place",
                ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero",
                ExecutionError::Overflow(..) => "a number grew too great",
                _ => "a value is not of the kind that is needed",
            },
        }
    }

    /// For the operator at work on a rule, values included.
    pub(in crate::policy) fn detail(&self) -> String {
        match self {
            Self::Error(error) => error.to_string(),
            _ => self.reason().to_owned(),
        }
    }
}

impl Condition {
    /// Reads a condition and checks it.
    ///
    /// # Errors
    /// All that is wrong with it, as far as that can be told without a call.
    pub fn parse(text: &str) -> Result<Self, Vec<ConditionFault>> {
        if text.trim().is_empty() {
            return Err(vec![ConditionFault::Empty]);
        }
        if text.len() > MAX_BYTES {
            return Err(vec![ConditionFault::TooLong { limit: MAX_BYTES }]);
        }
        let parsed = PrattParser::new().enable_optional_syntax(true).max_recursion_depth(MAX_NESTED).parse(text);
        let expression = parsed.map_err(|errors| errors.errors.iter().take(1).map(syntax).collect::<Vec<_>>())?;
        let (kind, mentions, mut faults) = check::check(&expression, MAX_LEVELS);
        if faults.is_empty() && !kind.fits(Kind::Bool) {
            faults.push(ConditionFault::NotBoolean { got: kind });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self { expression, mentions })
    }

    /// What it speaks of.
    pub const fn mentions(&self) -> Mentions {
        self.mentions
    }

    /// Whether it holds.
    pub(in crate::policy) fn holds(&self, context: &Context<'_, '_>) -> Result<bool, Failure> {
        // A mistake of the interpreter must cost one decision, not the connection of whoever asked.
        let asked = catch_unwind(AssertUnwindSafe(|| match Value::resolve_val(&self.expression, context) {
            Ok(value) => value.downcast_ref::<CelBool>().map(|value| *value.inner()).ok_or(Failure::NotBoolean),
            Err(error) => Err(Failure::Error(error)),
        }));
        asked.unwrap_or(Err(Failure::Panicked))
    }
}

fn syntax(error: &ParseError) -> ConditionFault {
    let (line, column) = error.pos;
    let message = error.msg.trim_start_matches("Syntax error: ");
    let place = |at: isize| usize::try_from(at).unwrap_or(1).max(1);
    ConditionFault::Syntax { line: place(line), column: place(column), message: message.into() }
}
