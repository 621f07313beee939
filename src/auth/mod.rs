//! Who is asking: a request's bearer token becomes a [`Principal`](crate::mcp::Principal), or a refusal that says how to get one.
//!
//! Tokens are the gateway's own API keys, the JWTs of configured issuers, opaque tokens that their issuer is asked about, and those of
//! Kubernetes' service accounts; a client certificate stands in where there is no token. What was verified is remembered by its digest,
//! for a bounded time and in a bounded table, so that a signature is checked once and not with each call; a connection remembers its last one. It reaches others only through
//! [`Fetch`]; it knows no HTTP client and no TLS. The token itself goes no further than this module, and no session id, cursor or task id is ever
//! taken for one.
//!
//! Sources: MCP 2026-07-28 basic/authorization; OAuth 2.1 draft; RFC 6750 (bearer tokens), 7519 and 9068 (JWT), 7662 (introspection), 8414
//! (issuer metadata), 8707 (audience), 9728 (resource metadata).

mod admitted;
mod bearer;
mod cache;
mod certificate;
mod check;
mod claims;
mod cluster;
mod code;
mod discovery;
mod fetch;
mod introspect;
mod issuer;
mod jwt;
mod key;
mod keys;
mod kubernetes;
mod login;
mod lookup;
mod metadata;
mod refused;
mod seat;
pub mod settings;

pub use admitted::Admitted;
pub use bearer::Malformed;
pub use certificate::Certificate;
pub use check::{Auth, AuthFault, Checked, Presented};
pub use code::{Verifier, is_from, with_query};
pub use discovery::metadata_urls;
pub use fetch::{
    Fetch, FetchAnswer, FetchContent, FetchCredential, FetchFault, FetchRequest, Fetched, bearer_of, form_encoded,
    may_be_fetched,
};
pub use key::{KeyFault, KeyHash, NewKey};
pub use login::{Login, LoginAnswer, LoginFault, LoginStep};
pub use refused::Refused;
pub use seat::{Credentials, Seat};
