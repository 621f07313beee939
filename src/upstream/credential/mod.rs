//! Credentials towards servers: what each request to a server is authorised with, in whose name it is made.
//!
//! A client's own token goes to a server only where that server says `auth: passthrough`; everywhere else the gateway has a credential
//! of its own, or one that was made for the caller. None of them is ever seen by a client, a log or another server. What belongs to one
//! principal serves no other: such servers have a group for each principal.
//!
//! It reaches authorization servers only through [`Fetch`](crate::auth::Fetch); it knows no HTTP of its own.
//!
//! Sources: MCP 2026-07-28 basic/authorization and security best practices (token passthrough); RFC 6749, 7523, 8414, 8693, 8707.

mod assertion;
mod badge;
mod canonical;
mod courier;
mod discovery;
mod exchange;
mod fault;
mod generations;
mod keeper;
pub mod oauth;
pub mod settings;
mod signer;
mod token_endpoint;
mod wallet;

pub(super) use badge::Credential;
pub use canonical::canonical;
pub(super) use courier::{Courier, unreachable};
pub use oauth::client::DOCUMENT as CLIENT_DOCUMENT;
pub use signer::is_signing_key;
pub use wallet::{Reached, Wallet, WalletFault};
