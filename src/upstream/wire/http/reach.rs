//! Where a client may connect to: anywhere the operator named, and only to public addresses where a peer's message named it.
//!
//! What a server or an issuer says about itself (where its keys are, its tokens come from) makes this gateway connect to where that
//! peer likes: into the network behind the gateway, to the machine's own services, to a cloud's metadata. So an address that was learned is
//! judged after its name was looked up, and the connection goes to the very address that was judged: a name that answers otherwise the next
//! time (DNS rebinding) gains nothing. Redirects, which would lead past all of this, are not followed.
//!
//! Sources: MCP 2026-07-28 basic/security_best_practices (Server-Side Request Forgery); [`network`](crate::network) for what is public.

use std::{net::SocketAddr, sync::Arc};

use super::{fault::ClientFault, origin::Origin};
use crate::{
    network::is_public,
    upstream::settings::{Allowed, EgressSettings},
};

/// Where a client may connect to.
#[derive(Clone, Debug)]
pub(super) enum Reach {
    /// Wherever the name leads: the operator named it.
    Anywhere,
    /// To public addresses, and to what the operator allowed.
    Public(Arc<EgressSettings>),
    /// To this machine, where the operator allowed that.
    Here(Arc<EgressSettings>),
}

impl Reach {
    /// How far a message of the peer at `by` leads, when it names `to`. On its own origin a peer says nothing new. Elsewhere only TLS shows
    /// who answers; without it nobody is reached but neighbours of a peer that is itself on this machine.
    pub(super) fn learned(to: &Origin, by: &Origin, egress: &Arc<EgressSettings>) -> Result<Self, ClientFault> {
        if to.is_same(by) {
            return Ok(Self::Anywhere);
        }
        match (to.is_https(), by.is_https() || !by.is_here()) {
            (true, _) => Ok(Self::Public(egress.clone())),
            (false, false) => Ok(Self::Here(egress.clone())),
            (false, true) => Err(ClientFault::Plain),
        }
    }

    /// Whether a connection may be made to that address of that host.
    pub(super) fn permits(&self, host: &str, address: SocketAddr) -> bool {
        let address = address.ip();
        match self {
            Self::Anywhere => true,
            Self::Public(egress) => is_public(address) || allows(egress, host, address),
            Self::Here(egress) => address.to_canonical().is_loopback() && allows(egress, host, address),
        }
    }
}

fn allows(egress: &EgressSettings, host: &str, address: std::net::IpAddr) -> bool {
    egress.allow.iter().any(|allowed| match allowed {
        Allowed::Network(network) => network.contains(address),
        Allowed::Host(named) => named.eq_ignore_ascii_case(host),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::parse(&url.parse().unwrap()).unwrap()
    }

    fn egress(allow: &[&str]) -> Arc<EgressSettings> {
        Arc::new(EgressSettings { allow: allow.iter().map(|text| text.parse().unwrap()).collect() })
    }

    /// By whom, what, the address that it leads to, what is allowed; and whether it is reached.
    #[test]
    fn a_learned_address_leads_to_public_hosts_over_tls_and_to_what_is_allowed() {
        let cases: [(&str, &str, &str, &[&str], bool); 20] = [
            ("https://idp.example", "https://idp.example/keys", "10.0.0.1", &[], true),
            ("https://idp.example", "https://IDP.example:443/keys", "10.0.0.1", &[], true),
            ("http://10.0.0.1:80", "http://10.0.0.1/token", "10.0.0.1", &[], true),
            ("https://idp.example", "https://idp.example:8443/keys", "10.0.0.1", &[], false),
            ("https://idp.example", "https://keys.example", "8.8.8.8", &[], true),
            ("https://idp.example", "https://keys.example", "2606:4700::1", &[], true),
            ("https://idp.example", "https://keys.example", "169.254.169.254", &[], false),
            ("https://idp.example", "https://keys.example", "127.0.0.1", &[], false),
            ("https://idp.example", "https://keys.example", "::ffff:127.0.0.1", &[], false),
            ("https://idp.example", "https://keys.example", "10.0.0.1", &["10.0.0.0/8"], true),
            ("https://idp.example", "https://keys.example", "10.0.0.1", &["KEYS.example"], true),
            ("https://idp.example", "https://keys.example", "10.0.0.1", &["idp.example", "192.168.0.0/16"], false),
            ("https://idp.example", "http://keys.example", "8.8.8.8", &["keys.example"], false),
            ("http://10.0.0.1", "http://keys.example", "8.8.8.8", &["keys.example"], false),
            ("https://127.0.0.1", "http://127.0.0.1:81", "127.0.0.1", &["127.0.0.1"], false),
            ("http://127.0.0.1", "http://127.0.0.1:81", "127.0.0.1", &[], false),
            ("http://127.0.0.1", "http://127.0.0.1:81", "127.0.0.1", &["127.0.0.0/8"], true),
            ("http://localhost", "http://localhost:81", "::1", &["localhost"], true),
            ("http://127.0.0.1", "http://keys.example", "8.8.8.8", &["keys.example"], false),
            ("http://127.0.0.1", "https://keys.example", "8.8.8.8", &[], true),
        ];
        for (by, to, address, allow, expected) in cases {
            let to = origin(to);
            let reach = Reach::learned(&to, &origin(by), &egress(allow));
            let address = SocketAddr::new(address.parse().unwrap(), to.port());
            let reached = reach.is_ok_and(|reach| reach.permits(to.host(), address));
            assert_eq!(reached, expected, "{by} named {to:?} at {address}, allowed {allow:?}");
        }
    }
}
