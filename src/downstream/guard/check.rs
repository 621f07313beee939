//! The checks themselves.

use std::net::SocketAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{HOST, ORIGIN},
    uri::Authority,
};

use super::{cors, host::Hosts, origin::Origins};
use crate::downstream::settings::HttpSettings;

/// Why a request is turned away before anybody reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A web page of this origin may not use the gateway.
    #[error("this Origin is not allowed")]
    Origin,
    /// Several `Origin`s contradict each other.
    #[error("more than one Origin header")]
    ManyOrigins,
    /// The gateway is not known by this name.
    #[error("this Host is not allowed")]
    Host,
    /// Several `Host`s contradict each other.
    #[error("more than one Host header")]
    ManyHosts,
    /// The request does not say whom it is for.
    #[error("no Host header")]
    NoHost,
}

impl Refusal {
    /// The status to answer with: 403, and 400 where RFC 9112 §3.2 demands it.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Origin | Self::ManyOrigins | Self::Host => StatusCode::FORBIDDEN,
            Self::ManyHosts | Self::NoHost => StatusCode::BAD_REQUEST,
        }
    }
}

/// The rules of one listener.
#[derive(Clone, Debug)]
pub struct Guard {
    hosts: Hosts,
    origins: Origins,
}

impl Guard {
    /// The rules for a listener at `local`.
    pub fn new(settings: &HttpSettings, local: SocketAddr) -> Self {
        Self {
            hosts: Hosts::new(&settings.allowed_hosts, local),
            origins: Origins::new(&settings.allowed_origins, local),
        }
    }

    /// Checks a request's headers and the authority of its target (HTTP/2 `:authority`, HTTP/1.1 absolute form).
    ///
    /// # Errors
    /// Any [`Refusal`].
    pub fn check(&self, headers: &HeaderMap, authority: Option<&Authority>) -> Result<(), Refusal> {
        let host = single(headers, &HOST, Refusal::ManyHosts)?;
        self.hosts.check(host, authority)?;
        match single(headers, &ORIGIN, Refusal::ManyOrigins)? {
            Some(origin) if !self.origins.contains(origin) => Err(Refusal::Origin),
            _ => Ok(()),
        }
    }

    /// What lets a page of an allowed origin read the answer; nothing when no page asks.
    pub fn cors(&self, headers: &HeaderMap) -> Option<HeaderMap> {
        self.allowed_origin(headers).map(cors::answer)
    }

    /// The answer's headers to the question of a page of an allowed origin whether it may send a request; nothing when the
    /// `OPTIONS` request is no such question.
    pub fn preflight(&self, headers: &HeaderMap) -> Option<HeaderMap> {
        let origin = self.allowed_origin(headers)?;
        cors::preflight(origin, headers)
    }

    fn allowed_origin<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let origin = single(headers, &ORIGIN, Refusal::ManyOrigins).ok()??;
        self.origins.contains(origin).then_some(origin)
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName, many: Refusal) -> Result<Option<&'h HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() { Err(many) } else { Ok(value) }
}
