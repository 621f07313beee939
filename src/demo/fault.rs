//! What can be wrong with a request; the code each era has for it is in `dress`.
//!
//! A tool that was called with unsuitable arguments is not a fault but an `isError` result: see `tool::Misuse`.

use super::line::LINE_LIMIT_BYTES;

/// A request that gets a JSON-RPC error.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("this line is not JSON: send one JSON-RPC message per line, in UTF-8")]
    Unparsable,
    #[error("this line is longer than {LINE_LIMIT_BYTES} bytes: send smaller messages")]
    LineTooLong,
    #[error(
        "not a JSON-RPC 2.0 message: jsonrpc \"2.0\", a method, an object as params, and a string or integer as id are needed"
    )]
    InvalidRequest,
    #[error("a batch is not served here: send one message per line")]
    Batch,
    #[error("an open request already has this id: use another one")]
    IdInUse,
    #[error("method {method} is not served here")]
    MethodNotFound { method: String },
    #[error("send initialize first, or name protocolVersion and clientCapabilities in params._meta of each request")]
    NotOpened,
    #[error(
        "params._meta needs io.modelcontextprotocol/protocolVersion (string) and io.modelcontextprotocol/clientCapabilities (object)"
    )]
    Envelope,
    #[error("unsupported protocol version")]
    UnsupportedVersion { requested: String },
    #[error("params.{member} is missing or not {expected}")]
    Param { member: &'static str, expected: &'static str },
    #[error("unknown tool {name}: see tools/list")]
    UnknownTool { name: String },
    #[error("unknown prompt {name}: see prompts/list")]
    UnknownPrompt { name: String },
    #[error("unknown value of the prompt argument {argument}: see completion/complete")]
    PromptArgument { argument: &'static str },
    #[error("nothing to complete for this reference and argument")]
    UnknownCompletion,
    #[error("resource not found: see resources/list and resources/templates/list")]
    UnknownResource { uri: String },
    #[error("this cursor was not given out by this list: start again without one")]
    Cursor,
    #[error("unknown log level: use debug, info, notice, warning, error, critical, alert or emergency")]
    LogLevel,
    #[error("too many open subscriptions: cancel one first")]
    TooManySubscriptions,
}
