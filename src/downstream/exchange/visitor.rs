//! Who makes a request, and where.

use std::{net::IpAddr, sync::Arc};

use crate::mcp::Principal;

/// Whoever was let in with a request.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) principal: Principal,
    /// The path that is asked for.
    pub(super) endpoint: Arc<str>,
    /// Where the request came from, behind the proxies that are trusted.
    pub(super) address: IpAddr,
}
