//! JSON-RPC 2.0 with payloads that stay the bytes they came as.
//!
//! A message is validated once, in one pass that also finds its members; `params`, `result` and `error` are slices of the buffer
//! that arrived. What must change is spliced ([`Edit`]); everything else leaves untouched, so that numbers beyond 2^53, key order
//! and unknown members survive. Deliberately no typed tree of payloads, and no I/O.
//!
//! Sources: JSON-RPC 2.0; RFC 8259; MCP 2026-07-28 basic/index.

mod edit;
mod error;
mod id;
mod message;
mod object;
mod quote;
mod raw;
mod scan;
mod write;

pub use edit::Edit;
pub use error::ErrorObject;
pub use id::Id;
pub use message::{Malformed, Message, MessageBody, batch};
pub use object::{Member, Object};
pub use quote::quote;
pub use raw::{Kind, Raw};
pub use scan::{MAX_DEPTH, SyntaxError};
pub use write::{array, error_response, notification, one_line, request, result_response};
