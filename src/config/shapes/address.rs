//! Addresses to listen on, and the hosts and origins that clients may name.

use std::net::{Ipv4Addr, SocketAddr};

use http::uri::{Authority, Uri};
use serde_json::{Value as Json, json};

use crate::{
    config::{
        place::Place,
        shape::{Reader, Shape},
        tree::Node,
    },
    hop,
    network::Network,
    upstream::settings::Allowed,
};

/// An address and a port.
pub(in crate::config) enum Address {}

impl Shape for Address {
    type Value = SocketAddr;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<SocketAddr> {
        const WANTED: &str = "an address and a port such as 127.0.0.1:8808 or [::1]:8808";
        let address = parse(&reader.text(node, place, WANTED)?);
        if address.is_none() {
            reader.unexpected(node, place, WANTED);
        }
        address
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn show(value: &SocketAddr) -> Json {
        value.to_string().into()
    }
}

/// `localhost` is the one name that needs no resolver.
fn parse(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some((Ipv4Addr::LOCALHOST, port.parse().ok()?).into()),
        None => text.parse().ok(),
    }
}

/// A block of addresses.
pub(in crate::config) enum Block {}

impl Shape for Block {
    type Value = Network;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Network> {
        const WANTED: &str = "a block of addresses such as 10.0.0.0/8 or fd00::/8";
        let block = reader.text(node, place, WANTED)?.parse().ok();
        if block.is_none() {
            reader.unexpected(node, place, WANTED);
        }
        block
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn show(value: &Network) -> Json {
        value.to_string().into()
    }
}

/// A browser's `Origin`: scheme and host, and nothing else.
pub(in crate::config) enum Origin {}

impl Shape for Origin {
    type Value = String;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<String> {
        const WANTED: &str = "an origin such as https://app.example";
        let text = reader.text(node, place, WANTED)?;
        let bare =
            |uri: &Uri| uri.scheme().is_some() && uri.path() == "/" && uri.query().is_none() && !text.ends_with('/');
        if text.parse().is_ok_and(|uri| bare(&uri)) {
            return Some(text);
        }
        reader.unexpected(node, place, WANTED);
        None
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn show(value: &String) -> Json {
        value.as_str().into()
    }
}

/// A request's `Host`: a name, with a port when it is not the usual one.
pub(in crate::config) enum Host {}

impl Shape for Host {
    type Value = String;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<String> {
        const WANTED: &str = "a host such as mcp.example or mcp.example:8443";
        let text = reader.text(node, place, WANTED)?;
        let is_host = |authority: Authority| !authority.as_str().contains('@') && !authority.host().is_empty();
        if text.parse().is_ok_and(is_host) {
            return Some(text);
        }
        reader.unexpected(node, place, WANTED);
        None
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn show(value: &String) -> Json {
        value.as_str().into()
    }
}

/// Where other gateways find this one.
pub(in crate::config) enum Meeting {}

impl Shape for Meeting {
    type Value = hop::Meeting;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<hop::Meeting> {
        const WANTED: &str =
            "an address or a name, with or without a port, such as 10.0.0.7 or gateway-0.internal:8810";
        let meeting = reader.text(node, place, WANTED)?.parse().ok();
        if meeting.is_none() {
            reader.unexpected(node, place, WANTED);
        }
        meeting
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn show(value: &hop::Meeting) -> Json {
        value.to_string().into()
    }
}

/// What the gateway may connect to: a block of addresses, or a host.
pub(in crate::config) enum Outside {}

impl Shape for Outside {
    type Value = Allowed;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Allowed> {
        const WANTED: &str = "a block of addresses such as 10.0.0.0/8, or a host such as idp.example";
        let allowed = reader.text(node, place, WANTED)?.parse().ok();
        if allowed.is_none() {
            reader.unexpected(node, place, WANTED);
        }
        allowed
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn show(value: &Allowed) -> Json {
        match value {
            Allowed::Network(network) => network.to_string().into(),
            Allowed::Host(host) => host.as_str().into(),
        }
    }
}
