//! What can be switched off with a word.

use std::net::SocketAddr;

use serde_json::{Value as Json, json};

use super::address::Address;
use crate::config::{
    keys::AdminKeys,
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
