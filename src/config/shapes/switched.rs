//! What can be switched off with a word.

use std::net::SocketAddr;

use serde_json::{Value as Json, json};

use super::address::Address;
use crate::config::{
    keys::{AdminKeys, ServerAuthKeys},
    place::Place,
    shape::{Reader, Shape},
    tree::Node,
};

/// `{listen: ADDRESS}`, or `off`.
pub(in crate::config) enum AddressOrOff {}

impl Shape for AddressOrOff {
    type Value = Option<SocketAddr>;

    /// `false` is what a YAML 1.1 reader, Helm's for one, makes of `off`.
    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Option<SocketAddr>> {
        if matches!(node.scalar(), Some("off" | "false")) {
            return Some(None);
        }
        if !node.is_map() {
            reader.unexpected(node, place, "`off`, or `listen: ADDRESS` below it");
            return None;
        }
        let section = AdminKeys::read(node, place, reader)?;
        Some(Some(section.listen()))
    }

    fn schema() -> Json {
        json!({ "anyOf": [{ "enum": ["off", false] }, AdminKeys::schema()] })
    }

    fn show(value: &Option<SocketAddr>) -> Json {
        value.map_or_else(|| "off".into(), |address| json!({ "listen": Address::show(&address) }))
    }
}

/// `passthrough`, or one kind of credential below its own key.
pub(in crate::config) enum ServerAuth {}

impl Shape for ServerAuth {
    type Value = Option<ServerAuthKeys>;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Option<ServerAuthKeys>> {
        if node.scalar() == Some("passthrough") {
            return Some(None);
        }
        if !node.is_map() {
            reader.unexpected(
                node,
                place,
                "`passthrough`, or a kind of credential below it such as `clientCredentials`",
            );
            return None;
        }
        ServerAuthKeys::read(node, place, reader).map(Some)
    }

    fn schema() -> Json {
        json!({ "anyOf": [{ "const": "passthrough" }, ServerAuthKeys::schema()] })
    }

    fn show(_: &Option<ServerAuthKeys>) -> Json {
        "passthrough".into()
    }
}
