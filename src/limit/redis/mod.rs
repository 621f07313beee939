//! Counts in Redis, that all gateways with the same `redis` share.
//!
//! A call is one round trip, for all of its limits at one place: a script takes all of them or none. A rate is one number with Redis' own
//! clock, places are a sorted set of leases that run out unless they are renewed, a quota is a counter that goes with its day or month.
//! A keeper in the background says that this gateway is there, hears how many others are, renews what is held and gives back what is not.
//! Redis that does not answer in time is away from then on, until the keeper reaches it again: no other call waits for it meanwhile.
//!
//! Sources: redis.io/docs/latest/develop/programmability/eval-intro (scripts are atomic); redis.io/docs/latest/commands for the rest.

mod address;
mod lease;
mod link;
mod script;
mod store;

pub use address::{BadAddress, check};
pub use link::{Link, RedisFault};
pub use store::RedisStore;
