//! The language of conditions: CEL (<https://cel.dev>), and what conditions may speak of.
//!
//! A condition is checked when it is read, as far as its types are known: names, fields, functions, their arguments, and that it comes to
//! true or false. What cannot be known (arguments of calls, claims of tokens) is found out when it is asked, and then fails.

mod check;
mod condition;
mod fault;
mod kind;
mod matches;
mod mentions;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use condition::Condition;
pub(super) use condition::{Failure, environment};
pub use fault::ConditionFault;
pub(super) use mentions::Mentions;
pub use mentions::Variable;
