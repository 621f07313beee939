//! Why a call fails, sorted by who is to blame. Each era maps these to its codes and statuses in one place.

use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};

use crate::jsonrpc::{ErrorObject, Raw};

/// Why a call has no result.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The caller: parameters that make no sense. The sentence is for them.
    InvalidParams(&'static str),
    /// The caller: a header contradicts the body, or is missing.
    HeaderMismatch(String),
    /// The caller: there is no such method here.
    UnknownMethod(String),
    /// The caller: there is no tool or prompt of that name (or they may not know of it).
    UnknownTarget(&'static str, String),
    /// The caller: there is no such resource (or they may not know of it).
    ResourceNotFound(String),
    /// The caller: the cursor is not one of ours, or too old.
    BadCursor,
    /// The caller: a state or resume token that is forged, foreign, expired or used.
    BadState(&'static str),
    /// The caller: the request needs a client capability that it did not declare.
    MissingCapability(Raw),
    /// The caller: they may use this, but not in this way. What they may not use at all is not there for them.
    Denied,
    /// The caller: the token lacks scopes. All that the call needs, so that one step-up is enough.
    Scope(Arc<[String]>),
    /// The caller: the token ended while the call was made.
    TokenEnded,
    /// The caller: a question of the server was not answered, or could not be. The sentence says which.
    Unanswered(&'static str),
    /// The caller: they must agree first that this server is called in their name. The server, and where they do so.
    Consent(Arc<str>, Arc<str>),
    /// Nobody: too much at once. May be tried again after the given time.
    Limited(Limit, Duration),
    /// The upstream: its own error, as it came.
    Upstream(ErrorObject),
    /// The upstream: it broke down or broke the rules. The name of the server, and what happened.
    Broken(Arc<str>, UpstreamFault),
    /// The gateway: it is shutting down.
    Draining,
    /// The gateway: the call was in another gateway of the deployment, which was lost meanwhile. Nobody knows how far it came.
    Lost,
    /// The gateway: the audit log cannot be written, and nothing is to be done without it.
    Unaudited,
    /// The gateway: a mistake of ours.
    Internal,
}

/// What happened to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamFault {
    /// It cannot be reached or started.
    #[error("cannot be reached")]
    Unavailable,
    /// It is to run in a sandbox that this machine cannot give, and is not started without.
    #[error("is not started, since this machine lacks what its sandbox needs")]
    Unconfined,
    /// It ended or hung up in mid-call.
    #[error("went away during the call")]
    Gone,
    /// It did not answer in time.
    #[error("did not answer in time")]
    Timeout,
    /// It sent what is no answer: garbage, or an endless message.
    #[error("sent an answer that is not MCP")]
    Garbled,
    /// Its message exceeds the limit.
    #[error("sent a message beyond the size limit")]
    TooLarge,
    /// It had calls, said nothing, and did not answer when it was asked whether it lives.
    #[error("does not answer any more, and was ended; the next call starts it anew")]
    Hung,
    /// It failed so often that it is left alone.
    #[error("failed too often and is not started any more, until its operator restarts it")]
    Parked,
    /// It refused the gateway's credential.
    #[error("refused the gateway's credential")]
    Unauthorized,
    /// It is called in the name of each caller, who has not agreed to that yet.
    #[error("is not connected to the caller's account")]
    Unconnected,
    /// It is called with what the caller came with, and that was nothing of use.
    #[error("is called with the caller's own token, and the caller has none that could be used for it")]
    NoToken,
    /// It is called in the name of each caller, and what keeps their tokens does not answer.
    #[error(
        "is called with the caller's own token, and what keeps those tokens does not answer; call again in a moment"
    )]
    TokensAway,
    /// It said that it has too much to do.
    #[error("is overloaded")]
    Overloaded,
    /// The same, and when it wants to be called again.
    #[error("is overloaded; it asks to be called again in {} s", seconds(*.0))]
    Busy(Duration),
    /// Calls to it failed again and again: it is left alone, for so much longer.
    #[error("failed again and again and is left alone; call again in {} s", seconds(*.0))]
    LeftAlone(Duration),
    /// It answered with a status of HTTP that says that it failed, and with no error of MCP.
    #[error("failed inside")]
    ServerError,
    /// The same with a status that says that the request was wrong.
    #[error("refused the request with an HTTP status that is no answer of MCP")]
    Refused,
    /// It speaks no revision that this gateway speaks.
    #[error("speaks no protocol revision that this gateway speaks")]
    Incompatible,
}

impl UpstreamFault {
    /// When to come back, where that is known.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Busy(after) | Self::LeftAlone(after) => Some(after),
            _ => None,
        }
    }
}

/// Whole seconds that are not too short.
const fn seconds(time: Duration) -> u64 {
    if time.subsec_nanos() > 0 { time.as_secs().saturating_add(1) } else { time.as_secs() }
}

/// A limit of the gateway that a call ran into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Requests in flight.
    #[error("too many requests in flight")]
    Requests,
    /// Calls waiting for a server.
    #[error("too many calls are waiting for this server")]
    Queue,
    /// Open subscription streams.
    #[error("too many open streams")]
    Streams,
    /// Legacy sessions.
    #[error("too many sessions")]
    Sessions,
    /// Subscriptions of a session.
    #[error("too many subscriptions")]
    Subscriptions,
    /// Calls parked while their client answers a question.
    #[error("too many calls are waiting for input")]
    Parked,
    /// One that the operator set.
    #[error("{0}")]
    Set(Arc<SetLimit>),
}

/// A limit that the operator set, as callers hear of it: not by its pattern, which may name what they cannot see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetLimit {
    /// What is counted apart; together, when there are several.
    pub per: Box<[Per]>,
    /// Its place in the configuration, from 1.
    pub number: usize,
    /// How many.
    pub quota: NonZeroU64,
    /// In how long a time.
    pub span: Span,
}

/// The time over which a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// At once.
    AtOnce,
    /// In any time of that length.
    Each(Duration),
    /// In a day or month of the calendar (UTC).
    Calendar {
        /// Which of them.
        unit: Calendar,
        /// How long this one is.
        length: Duration,
        /// When the next one begins, since 1970.
        resets: Duration,
    },
}

/// What a quota is said over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calendar {
    /// From midnight to midnight.
    Day,
    /// From the first to the last.
    Month,
}

/// What a limit counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Where the client is; of an IPv6 address its first 64 bits, which is what one site has.
    Address,
    /// Whoever calls.
    Principal,
    /// Each of the caller's groups.
    Group,
    /// The path that is called.
    Endpoint,
    /// The server that a call goes to.
    Server,
    /// The tool by the name that the client uses.
    Tool,
}

impl Per {
    /// The word in the configuration and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Principal => "principal",
            Self::Group => "group",
            Self::Endpoint => "endpoint",
            Self::Server => "server",
            Self::Tool => "tool",
        }
    }
}

impl Calendar {
    /// The word in the configuration and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

impl SetLimit {
    /// What it is called on the wire.
    pub fn policy(&self) -> String {
        format!("{}-{}", self.names("-"), self.number)
    }

    /// What is counted apart, in words.
    pub fn names(&self, between: &str) -> String {
        self.per.iter().map(|per| per.name()).collect::<Vec<_>>().join(between)
    }
}

impl fmt::Display for SetLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.span {
            Span::AtOnce => write!(f, "{} at once", self.quota),
            Span::Each(window) => write!(f, "{} in {} s", self.quota, window.as_secs()),
            Span::Calendar { unit, .. } => write!(f, "{} a {}", self.quota, unit.name()),
        }?;
        write!(f, " per {}", self.names(" and "))
    }
}

impl Fault {
    /// The word under which logs and metrics count it.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::InvalidParams(_) | Self::BadCursor | Self::BadState(_) => "invalid_params",
            Self::HeaderMismatch(_) => "header_mismatch",
            Self::UnknownMethod(_) => "unknown_method",
            Self::UnknownTarget(..) | Self::ResourceNotFound(_) => "not_found",
            Self::MissingCapability(_) => "missing_capability",
            Self::Denied => "denied",
            Self::Scope(_) => "insufficient_scope",
            Self::TokenEnded => "token_ended",
            Self::Consent(..) => "consent_needed",
            Self::Unanswered(_) => "unanswered",
            Self::Limited(..) => "limited",
            Self::Upstream(_) => "upstream_error",
            Self::Broken(_, UpstreamFault::Timeout | UpstreamFault::Hung) => "upstream_timeout",
            Self::Broken(..) => "upstream_broken",
            Self::Draining => "draining",
            Self::Lost => "lost",
            Self::Unaudited => "unaudited",
            Self::Internal => "internal",
        }
    }
}
