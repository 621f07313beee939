//! What replicas of the gateway have in common besides counts: small values by name, in Redis, sealed before they come here.
//!
//! Each value lies in one hash; who changed what is a sorted set of names by a number that counts changes, which each replica asks from
//! where it was. A lock lets one replica at a time do what must not be done twice; it runs out by itself. Redis that does not answer in
//! time is away from then on until whoever follows the changes reaches it: nobody else waits for it meanwhile.
//!
//! Not here: what the values mean, and what to do while Redis is away.
//!
//! Sources: redis.io/docs/latest/develop/programmability/eval-intro (scripts are atomic); redis.io/docs/latest/commands (SET, HSCAN,
//! ZRANGEBYSCORE).

mod script;
mod store;

pub use store::{Away, Change, Changes, Commons, Lock, Written};
