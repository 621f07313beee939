//! Who makes a request, and where.

use std::{net::IpAddr, sync::Arc};

use crate::{downstream::tls::TlsClient, hop::Facts, mcp::Principal};

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From its client.
    Direct,
    /// From another gateway, because what it is about is here.
    Hop,
}

/// Whoever was let in with a request.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) principal: Principal,
    /// The path that is asked for.
    pub(super) endpoint: Arc<str>,
    /// Where the request came from, behind the proxies that are trusted.
    pub(super) address: IpAddr,
    /// The certificate that its client showed, if any.
    pub(super) client: Option<Arc<TlsClient>>,
    pub(super) way: Way,
}

impl Visitor {
    /// What another gateway must be told of them.
    pub(super) fn facts(&self) -> Facts {
        facts(self.address, self.client.as_deref())
    }
}

/// What another gateway must be told of a client.
pub(super) fn facts(address: IpAddr, client: Option<&TlsClient>) -> Facts {
    Facts { address, chain: client.map_or_else(Vec::new, TlsClient::chain) }
}
