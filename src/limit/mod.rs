//! How often and how much at once: the operator's `limits`, per address, principal, group, endpoint, server and tool, alone or together.
//!
//! A rate is a token bucket (the generic cell rate algorithm of `governor`), a concurrency a count of places, a quota a count over a day
//! or month. Whoever is over a limit is refused and hears when to come back, or waits in a bounded queue where there is one. Gateways
//! that share a [`Store`](store::Store) count together; while it is away, each goes by its own share.
//!
//! [`Limits::arrive`] is asked before anybody's token is looked at, [`Limits::enter`] before anything is done for a call,
//! [`Limits::route`] where the server is known.

mod admission;
mod ask;
mod bucket;
mod calendar;
pub mod ledger;
mod line;
pub mod redis;
mod rule;
mod rules;
pub mod settings;
pub mod store;
mod subject;
mod table;
mod time;

#[cfg(test)]
mod tests;

pub use admission::{Admission, Admitted};
pub use rules::Limits;
