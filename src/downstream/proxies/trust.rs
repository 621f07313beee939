//! Which proxies are believed, and whose request it is by what they say.

use std::net::IpAddr;

use http::HeaderMap;

use super::forwarded;
use crate::network::Network;

/// What is in front of the listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// Where they are.
    pub trusted: Vec<Network>,
    /// The header in which they say whose request it is.
    pub header: ForwardedHeader,
    /// Whether their connections begin with the PROXY protocol.
    pub protocol: ProxyProtocol,
}

/// Where proxies say whose request it is. Only one is looked at: a proxy that writes one of them passes the other on as its client made
/// it up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which nearly all of them write.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Whether trusted proxies speak the PROXY protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// They do not.
    #[default]
    Off,
    /// Each connection of a trusted proxy begins with it, in version 1 or 2.
    On,
}

impl ProxySettings {
    /// Whether what comes from that address is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// Where a request came from that `peer` sent: the nearest address that is no trusted proxy, read from the right, since each proxy
    /// appends the one before it. What is left of that address is the client's own invention. Where a trusted proxy names nobody,
    /// it is that proxy.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let mut nearest = peer;
        for line in headers.get_all(name).iter().rev() {
            for element in forwarded::from_the_right(line.as_bytes()) {
                let named = match self.header {
                    ForwardedHeader::XForwardedFor => forwarded::address(element),
                    ForwardedHeader::Forwarded => forwarded::parameter(element),
                };
                let Some(named) = named.map(|named| named.to_canonical()) else { return nearest };
                nearest = named;
                if !self.trusts(named) {
                    return nearest;
                }
            }
        }
        nearest
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn client(header: ForwardedHeader, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        let settings = ProxySettings { trusted, header, protocol: ProxyProtocol::Off };
        let lines =
            lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        settings.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_client_is_the_nearest_address_that_is_no_trusted_proxy() {
        let own = |peer, value| client(ForwardedHeader::XForwardedFor, peer, &[("x-forwarded-for", value)]);
        // (who connected, the header, who it is)
        let cases = [
            ("192.0.2.1", "203.0.113.9", "192.0.2.1"), // nobody trusts the sender
            ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"), // what the client made up is further left
            ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"), // all are trusted: the first of them
            ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
            ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
            ("::ffff:10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
            ("fd00::1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9, rubbish", "10.0.0.1"), // a trusted proxy names nobody
            ("10.0.0.1", "203.0.113.9, ", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ];
        for (peer, header, expected) in cases {
            assert_eq!(own(peer, header), expected, "{peer} {header}");
        }
        let lines =
            [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "10.1.1.1")];
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &lines), "203.0.113.9", "lines are one list");
    }

    #[test]
    fn reads_forwarded_as_rfc_7239_writes_it() {
        let own = |value| client(ForwardedHeader::Forwarded, "10.0.0.1", &[("forwarded", value)]);
        let cases = [
            ("for=203.0.113.9", "203.0.113.9"),
            ("for=\"_gazonk\"", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("by=203.0.113.43;for=203.0.113.9;proto=http;host=\"a,b\"", "203.0.113.9"),
            ("for=1.1.1.1, for=203.0.113.9, for=10.0.0.7;by=10.0.0.1", "203.0.113.9"),
            ("for=\"1.1.1.1, for=203.0.113.9", "203.0.113.9"), // an open quote of the client swallows nothing
            ("for=\"203.0.113.9:_port\"", "203.0.113.9"),
            ("proto=https", "10.0.0.1"),
        ];
        for (header, expected) in cases {
            assert_eq!(own(header), expected, "{header}");
        }
    }

    #[test]
    fn only_the_header_that_proxies_write_is_looked_at() {
        let lines = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &lines), "203.0.113.9");
        assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &lines), "1.1.1.1");
    }
}
