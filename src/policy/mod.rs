//! What a caller may see and do.
//!
//! The same rules filter every list and gate every call, and what a caller may not use answers exactly as what does not exist. Whoever
//! takes [`Permitted`] needs no other proof: only this module makes it.
//!
//! It knows nothing of lists, servers or wires: it is asked about somebody and something, and answers.

mod asked;
mod explain;
mod language;
mod memory;
mod permit;
mod policies;
mod rule;
mod scope;
mod scopes;
pub mod settings;
mod tools;
mod truth;
mod value;
mod verdict;

#[cfg(test)]
mod tests;

pub use asked::{Asked, Subject, Thing};
pub use explain::{Circumstances, Explained, Explanation, Says};
pub use language::{Condition, ConditionFault, Variable};
pub use permit::Permitted;
pub use policies::{Arguments, Policies, Request};
pub use rule::{RuleFault, faults};
pub use tools::ToolFilter;
