//! From one gateway of a deployment to another: the way of a request to its home.
//!
//! A session, a parked call or a step of a user's consent lives in one gateway, its **home**, and is named by a sealed token that says where
//! that is ([`KeyRing::at`](crate::seal::KeyRing::at)). A request that comes to another gateway makes a **hop**: it is sent on as it came,
//! over a connection in which both sides prove that they have the deployment's keys, and the answer is passed back as it comes. What its home
//! cannot know of the client (where it is, what certificate it showed) goes along in headers that are read from such connections only.
//!
//! Nothing is looked up and nobody votes: whoever is not at its home when it is looked for is gone (docs/adr/0030).

mod facts;
mod link;
mod proof;
mod roads;
mod settings;

pub use facts::{Facts, hide, read, write};
pub use proof::{Proof, ProofFault};
pub use roads::{Roads, Unsent};
pub use settings::{HopSettings, Meeting};
