//! Why a request does not come in, and what its sender hears of it.

use std::time::Duration;

use http::StatusCode;

use super::bearer::Malformed;

/// When to come back where a token cannot be looked up: the time of another attempt.
const RETRY: Duration = Duration::from_secs(1);

/// Why a request does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no token.
    #[error("A token is needed: send it as Authorization: Bearer")]
    NoToken,
    /// The token is not valid here, for whatever reason.
    #[error("The token is not valid here; get a new one")]
    InvalidToken,
    /// The token is valid and lacks a scope.
    #[error("The token lacks a scope; ask for one with those of the challenge")]
    Scope,
    /// The credentials cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Whoever knows the token does not answer: it may be as good as any.
    #[error(
        "The token cannot be checked at the moment: whoever issued it does not answer. Try again with the same token"
    )]
    Unavailable,
    /// Too many tokens are being looked up.
    #[error("Too many tokens are being checked at the moment. Try again with the same token")]
    Busy,
}

impl Refused {
    /// The status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoToken | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::Scope => StatusCode::FORBIDDEN,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            // A 401 would make the client throw a good token away.
            Self::Unavailable | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether a client can do something about it with another token, or with another way to send it.
    pub const fn is_challenged(self) -> bool {
        !matches!(self, Self::Unavailable | Self::Busy)
    }

    /// After how long the same token makes sense again.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Unavailable | Self::Busy => Some(RETRY),
            _ => None,
        }
    }

    /// The error code of RFC 6750 section 3.1 and its description.
    pub(super) const fn error(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::InvalidToken => Some(("invalid_token", "The token is expired, revoked, or not for this resource")),
            Self::Scope => Some(("insufficient_scope", "The token lacks a scope")),
            Self::Malformed(_) => Some(("invalid_request", "The credentials cannot be read")),
            Self::NoToken | Self::Unavailable | Self::Busy => None,
        }
    }
}

/// Says in the log why a token is refused; the sender hears no more than that it is not valid.
pub(super) fn refuse(reason: &dyn std::fmt::Display) -> Refused {
    tracing::info!(%reason, "a token was refused");
    Refused::InvalidToken
}
