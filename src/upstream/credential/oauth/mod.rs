//! Servers that are called in the name of each user: the user agrees once in a browser, and the gateway keeps what came of it.
//!
//! The gateway is an OAuth client here, of authorization servers that it may have learned of from the server itself. It keeps to the
//! rules for such clients: PKCE, `resource`, a `state` that is used once and belongs to one browser, the issuer's name in the answer where
//! it promises one, an address to come back to for each server. The pages that users see are the caller's business, and so is knowing
//! who sits at the browser.
//!
//! Sources: MCP 2026-07-28 basic/authorization; OAuth 2.1 draft; RFC 7009, 7591, 7636, 8414, 8707, 9207, 9700, 9728.

mod bareness;
pub(super) mod challenge;
pub(super) mod client;
pub(super) mod consent;
mod flow;
mod folder;
pub(super) mod invitation;
mod record;
mod registration;
mod resource;
mod safe;
mod server;
mod shared;
mod step;
pub(super) mod vault;

pub use consent::Invited;
pub use flow::{Agreed, Became, Came, FlowFault};
pub use invitation::Invitation;
pub use record::Listed;
pub use safe::{Safe, SafeFault};
pub use server::Oauth;
pub use vault::{Became as Turned, Turn, Vault};
