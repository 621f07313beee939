//! What can go wrong between here and an upstream, sorted by what may be done about it.

use std::{error::Error, io};

/// Why settings make no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientFault {
    /// Neither `http` nor `https`.
    #[error("the URL is neither http nor https")]
    Scheme,
    /// No host, or one that cannot be certified or written into a header.
    #[error("the URL has no usable host")]
    Host,
    /// `user:password@` would be visible in dumps of the URL; a header is the place for it.
    #[error("the URL contains credentials; use a header")]
    Credentials,
    /// A peer named it, and it is neither `https` nor on the peer's own machine.
    #[error("an address that a message named is fetched over https only")]
    Plain,
    /// The `ca` file cannot be read or holds no certificate.
    #[error("the authority's file cannot be used")]
    Authority(#[source] rustls::pki_types::pem::Error),
    /// The files of the gateway's own certificate cannot be read or hold none.
    #[error("the certificate that servers are shown cannot be used")]
    Identity(#[source] rustls::pki_types::pem::Error),
    /// The key is not that of the certificate.
    #[error("the private key does not fit the certificate that servers are shown")]
    Mismatch(#[source] rustls::Error),
    /// Neither the machine nor the `ca` file offers an authority to trust.
    #[error("no trusted authority was found")]
    NoAuthorities,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Why there is no answer, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum HttpFault {
    /// No TCP connection came about: nothing was sent.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// A peer's message named the host, and it has no address that is public or allowed by `egress`: nothing was sent.
    #[error("a message named the host, and its address is neither public nor allowed by `egress`")]
    Forbidden,
    /// The TLS handshake failed: nothing was sent.
    #[error("TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The connection closed before the request was written, a fresh one too.
    #[error("the connection closed before the request was written")]
    NotSent(#[source] hyper::Error),
    /// A phase before sending took longer than `connect_timeout`: nothing was sent.
    #[error("timed out {phase}")]
    Timeout {
        /// What was waited for.
        phase: Phase,
    },
    /// The request was sent, and its answer did not begin within `first_byte_timeout`.
    #[error("the answer did not begin in time")]
    Silent,
    /// The replica that alone knows what the request is about is gone: nothing was sent.
    #[error("the replica is not there any more")]
    Left,
    /// The request was sent, or part of it, and the connection ended before the whole answer was there.
    #[error("the connection ended before the answer did")]
    Reset(#[source] hyper::Error),
    /// The body, or one event of it, is larger than allowed.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// What arrived is not what HTTP or this client allows.
    #[error(transparent)]
    Protocol(Violation),
}

/// What is waited for before a request can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A connection in use to become free, `max_connections` being open.
    Slot,
    /// Name lookup and TCP.
    Connect,
    /// TLS handshake.
    Tls,
}

/// How an answer or a request breaks the rules.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// Not HTTP, or a head beyond its limits.
    #[error("the answer is not valid HTTP")]
    Syntax(#[source] hyper::Error),
    /// A content coding that nobody asked for.
    #[error("the answer has a content coding")]
    Encoded,
    /// The request's target lies on another origin: secrets meant for this one must not go there.
    #[error("the request's target is on another origin")]
    OtherOrigin,
}

impl HttpFault {
    /// Whether the upstream has certainly not seen the request, so that sending it again cannot do anything twice.
    pub fn never_reached_upstream(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::Forbidden
            | Self::Tls(_)
            | Self::NotSent(_)
            | Self::Timeout { .. }
            | Self::Left => true,
            Self::Protocol(violation) => matches!(violation, Violation::OtherOrigin),
            Self::Reset(_) | Self::TooLarge { .. } | Self::Silent => false,
        }
    }

    /// Whether it speaks against the replica, and not against the request or this side.
    pub(super) fn blames_upstream(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Tls(_) | Self::NotSent(_) | Self::Reset(_) | Self::Silent => true,
            Self::Timeout { phase } => *phase != Phase::Slot,
            Self::Protocol(violation) => !matches!(violation, Violation::OtherOrigin),
            Self::Forbidden | Self::Left | Self::TooLarge { .. } => false,
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Slot => "waiting for a free connection",
            Self::Connect => "connecting",
            Self::Tls => "in the TLS handshake",
        })
    }
}

/// A failure after the request was handed to the connection.
impl From<hyper::Error> for HttpFault {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() || error.is_user() || is_malformed_body(&error) {
            Self::Protocol(Violation::Syntax(error))
        } else {
            Self::Reset(error)
        }
    }
}

/// hyper reports a bad chunk as an I/O error of its own making, apart from which the connection was sound.
fn is_malformed_body(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput))
}
