//! Why the API server is not heard.

use std::io;

use http::StatusCode;

use crate::upstream::wire::http::{ClientFault, HttpFault};

use super::picture::Trouble;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskFault {
    /// No client.
    #[error("no client can be made")]
    Client(#[source] ClientFault),
    /// No token.
    #[error("the token cannot be read")]
    Token(#[source] io::Error),
    /// No answer, or not all of it.
    #[error("no answer")]
    Broken(#[source] HttpFault),
    /// Nothing was heard for too long.
    #[error("nothing was heard for too long")]
    Silent,
    /// What is known is too old to go on from.
    #[error("what is known is too old to go on from")]
    Gone,
    /// Another status.
    #[error("answered with {0}")]
    Status(StatusCode),
    /// No such content.
    #[error("not what was asked for")]
    Content(#[source] serde_json::Error),
    /// Too much of it.
    #[error("too much of it")]
    TooLarge,
}

impl AskFault {
    /// What an operator should know; nothing where going on is all there is to do.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        Some(match self {
            Self::Gone => return None,
            Self::Client(_) => Trouble::Settings,
            Self::Token(_) => Trouble::Token,
            Self::Broken(_) | Self::Silent => Trouble::Unreached,
            Self::Status(StatusCode::UNAUTHORIZED) => Trouble::Unknown,
            Self::Status(StatusCode::FORBIDDEN) => Trouble::Forbidden,
            Self::Status(status) => Trouble::Status(status.as_u16()),
            Self::Content(_) | Self::TooLarge => Trouble::Content,
        })
    }
}
