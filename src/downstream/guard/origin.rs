//! The web origins whose pages may use a listener.

use std::net::SocketAddr;

use http::HeaderValue;

use super::host::{is_loopback, loopback_names};

/// The web origins whose pages may use a listener.
#[derive(Clone, Debug)]
pub(super) struct Origins(Vec<String>);

impl Origins {
    pub(super) fn new(configured: &[String], local: SocketAddr) -> Self {
        let mut origins: Vec<_> = configured.iter().map(|origin| origin.trim_end_matches('/').to_owned()).collect();
        if is_loopback(local) {
            origins.extend(loopback_names(local).flat_map(|name| loopback_origins(&name, local.port())));
        }
        // `null` stands for every sandboxed page and local file; whoever configures it cannot mean that.
        origins.retain(|origin| !origin.eq_ignore_ascii_case("null"));
        Self(origins)
    }

    pub(super) fn contains(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    }
}

/// A browser leaves out the scheme's default port.
fn loopback_origins(name: &str, port: u16) -> [String; 2] {
    [("http", 80), ("https", 443)].map(|(scheme, default)| match port {
        port if port == default => format!("{scheme}://{name}"),
        port => format!("{scheme}://{name}:{port}"),
    })
}
