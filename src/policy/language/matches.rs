//! `matches`, whose patterns are compiled when a condition is read and not each time that it is asked.

use std::{
    collections::HashMap,
    sync::{LazyLock, PoisonError, RwLock},
};

use cel::{
    ExecutionError, IdedExpr,
    common::{
        ast::{Expr, LiteralValue},
        types::{CelBool, CelString},
        value::CowVal,
    },
};
use regex::{Regex, RegexBuilder};

/// The function's name. The interpreter's own compiles its pattern each time, and is left out of the build.
pub(super) const NAME: &str = "matches";
/// Patterns that are kept at the most: those of the conditions of some configurations.
const MAX_PATTERNS: usize = 1024;
/// What a compiled pattern may take. Matching takes time linear in the text, whatever the pattern.
const MAX_PATTERN_BYTES: usize = 1 << 20;

static PATTERNS: LazyLock<RwLock<HashMap<Box<str>, Regex>>> = LazyLock::new(RwLock::default);

/// Whether it is a regular expression; it is compiled from now on.
pub(super) fn learn(pattern: &str) -> bool {
    let Some(compiled) = compile(pattern) else { return false };
    let mut patterns = PATTERNS.write().unwrap_or_else(PoisonError::into_inner);
    if patterns.len() >= MAX_PATTERNS {
        patterns.clear();
    }
    patterns.insert(pattern.into(), compiled);
    true
}

fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build().ok()
}

/// `text.matches(pattern)`.
pub(super) fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = arguments.as_slice() else {
        return Err(ExecutionError::invalid_argument_count(2, arguments.len()));
    };
    match (text.downcast_ref::<CelString<'_>>(), pattern.downcast_ref::<CelString<'_>>()) {
        (Some(text), Some(pattern)) => {
            is_match(text.inner(), pattern.inner()).map(|is| CowVal::owned(CelBool::from(is)))
        }
        _ => Err(ExecutionError::function_error("matches", "needs two texts")),
    }
}

fn is_match(text: &str, pattern: &str) -> Result<bool, ExecutionError> {
    if let Some(known) = PATTERNS.read().unwrap_or_else(PoisonError::into_inner).get(pattern) {
        return Ok(known.is_match(text));
    }
    let compiled = compile(pattern);
    compiled
        .map(|pattern| pattern.is_match(text))
        .ok_or_else(|| ExecutionError::function_error("matches", "no regular expression"))
}

/// The text that an expression is, if it is one.
pub(super) fn literal(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
