//! How often and how much at once: the operator's `limits`, per principal, group, endpoint, server and tool.
//!
//! A rate is a token bucket (the generic cell rate algorithm of `governor`), a concurrency a count of places. Whoever is over a limit
//! is refused at once and hears when to come back. Deliberately no queue, no quota over days, and nothing that is counted across
//! replicas.
//!
//! [`Limits::enter`] is asked at the door, before anything is done for a request; [`Limits::route`] where the server is known.

mod bucket;
mod rules;
pub mod settings;
mod system_clock;
mod table;

#[cfg(test)]
mod tests;

pub use bucket::Admission;
pub use rules::Limits;
