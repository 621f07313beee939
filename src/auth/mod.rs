//! Who is asking: a request's bearer token becomes a [`Principal`](crate::mcp::Principal), or a refusal that says how to get one.
//!
//! Tokens are the gateway's own API keys and the JWTs of configured issuers. A token that was verified is remembered by its digest, for
//! a bounded time and in a bounded table, so that a signature is checked once and not with each call. It reaches an issuer only through
//! [`Fetch`]; it knows no HTTP client. The token itself goes no further than this module, and no session id, cursor or task id is ever
//! taken for one.
//!
//! Sources: MCP 2026-07-28 basic/authorization; OAuth 2.1 draft; RFC 6750 (bearer tokens), 7519 and 9068 (JWT), 8414 (issuer
//! metadata), 8707 (audience), 9728 (resource metadata).

mod bearer;
mod cache;
mod check;
mod fetch;
mod issuer;
mod jwt;
mod key;
mod metadata;
pub mod settings;

pub use bearer::Malformed;
pub use check::{Auth, Checked, Refused};
pub use fetch::{Fetch, FetchAnswer, FetchContent, FetchFault, FetchRequest, Fetched, may_be_fetched};
pub use key::{KeyFault, KeyHash, NewKey};
