//! The four codecs: two eras, each with a front (towards clients) and a back (towards servers).
//!
//! The only place that knows that an era exists. Bytes and headers become the waist's types and back; nothing here does I/O, keeps
//! time or knows a transport's tasks.
//!
//! | | front | back |
//! |---|---|---|
//! | [`modern`] | `server/discover`, envelope and header ladder, MRTR | envelope, mirrored headers, `resultType` |
//! | [`legacy`] | `initialize`, sessions' messages, questions as requests | `initialize`, questions as requests |

pub mod classify;
mod code;
pub mod legacy;

pub mod meta;
pub mod modern;
pub mod notice;
mod revision;
pub mod trace;

pub use code::{HEADER_MISMATCH, INVALID_PARAMS, limited};
pub use revision::Revision;

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::{
    jsonrpc::{ErrorObject, Id, Raw},
    mcp::{AskKind, Notice},
};

/// Which of the two worlds a peer lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// 2026-07-28 and later: stateless, context in each request.
    Modern,
    /// 2025-11-25 and earlier: `initialize` and sessions.
    Legacy,
}

impl Era {
    /// The word in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
        }
    }
}

/// What the gateway calls itself towards both sides.
pub const IMPLEMENTATION: Raw = Raw::literal(concat!(
    r#"{"name":"myelin","title":"Myelin MCP gateway","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
));

/// A method: mostly one of those that are known here.
pub type Method = Cow<'static, str>;

/// A request for an upstream: the peer adds the id and the wire.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// The parameters.
    pub params: Option<Raw>,
    /// What HTTP carries besides.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// A message from an upstream.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// The answer to a request of ours.
    Answer(Id, Result<Raw, ErrorObject>),
    /// An error that names no request.
    Complaint(ErrorObject),
    /// Progress of the request with this token.
    Progress(Raw, Raw),
    /// Anything else to know; with the id of the subscription it belongs to, where the server says so.
    Notice(Notice, Option<Raw>),
    /// A question to a client (legacy servers only): its id, its kind, its parameters.
    Ask(Id, AskKind, Option<Raw>),
    /// A sign of life is wanted (legacy servers only).
    Ping(Id),
    /// The server withdraws a request of its own, or ends a subscription.
    Cancelled(Id),
    /// A request that is none of the above; it is refused.
    Unknown(Id),
}

/// What is sent to a client's `POST` in place of an answer.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// A JSON-RPC error.
    pub body: Bytes,
}
