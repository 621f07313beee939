//! The replicas of one server: which there are, which of them is used, and what is known of each.
//!
//! A call goes to the one of two that has less to do; what only one replica knows (a session) goes to that one. A replica that fails is
//! left out for a while, as long as enough of the others are there: when none is left, all are used again, since a wrong guess about
//! health must not take a server away. It knows no MCP: whoever looks at health asks in the server's era and says what came of it.
//!
//! Source: M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001; docs/adr/0028.

mod choice;
mod ejection;
mod flight;
mod members;
mod record;
mod replica;
mod set;
mod standing;
mod status;

pub(super) use flight::Flight;
pub use replica::{Answered, Pin, Stay};
pub use set::{Replicas, To};
pub use standing::Opinion;
pub use status::{Condition, ReplicaStatus};
