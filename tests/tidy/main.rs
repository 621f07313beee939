//! The house rules that a compiler does not know, checked on the sources: layers, cycles, order, words, sizes.
//!
//! A rule is changed here, in the open, with its reason. The lists of exceptions may only become shorter.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, its helpers too")]

mod cycles;
mod imports;
mod layers;
mod lexer;
mod shape;
mod sizes;
mod source;
mod words;

/// Fails with everything that is wrong, not only the first.
fn none(findings: &[String]) {
    assert!(findings.is_empty(), "\n  {}\n", findings.join("\n  "));
}
