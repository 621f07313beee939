//! Why a server's credential is not to be had, for the log. Callers hear less.

use http::StatusCode;

use crate::{auth::FetchFault, mcp::UpstreamFault};

/// Why there is no credential.
#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::upstream) enum CredentialFault {
    /// The caller has not agreed yet, or not any more.
    #[error("the caller's account is not connected")]
    Unconnected,
    /// The authorization server cannot be used for what users agree to.
    #[error("the authorization server cannot be used: {0}")]
    Unfit(&'static str),
    /// There are as many connections as there may be.
    #[error("there are too many connections")]
    Full,
    /// A connection cannot be written down.
    #[error("a connection cannot be written to `stateDir`: {0}")]
    Store(std::io::ErrorKind),
    /// What replicas share is away, and nobody here can say.
    #[error("redis is away, where users' connections are")]
    Away,
    /// The caller came without a token of an issuer.
    #[error("the caller has no token that could be used for it")]
    NoToken,
    /// The authorization server was not reached.
    #[error("the authorization server cannot be asked: {0}")]
    Unreached(#[from] FetchFault),
    /// The authorization server refused, with its error code if it named one.
    #[error("the authorization server refused with status {0} and error `{1}`")]
    Refused(StatusCode, Box<str>),
    /// The answer is not what it should be.
    #[error("the authorization server's answer has no usable {0}")]
    Answer(&'static str),
    /// The metadata is somebody else's, or none was found.
    #[error("no metadata of the authorization server was found where its issuer says")]
    Metadata,
    /// The key cannot sign.
    #[error("the private key cannot be used: it must be a P-256, Ed25519 or RSA key in PEM form")]
    Key,
    /// The machine has no randomness.
    #[error("the operating system gives no random numbers")]
    Random,
}

impl CredentialFault {
    /// Whether the same question may be answered otherwise in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreached(fault) => *fault == FetchFault::NoAnswer,
            Self::Refused(status, _) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            _ => false,
        }
    }

    /// What a call hears.
    pub(super) const fn told(&self) -> UpstreamFault {
        match self {
            Self::NoToken => UpstreamFault::NoToken,
            Self::Unconnected => UpstreamFault::Unconnected,
            Self::Away => UpstreamFault::TokensAway,
            _ => UpstreamFault::Unauthorized,
        }
    }
}
