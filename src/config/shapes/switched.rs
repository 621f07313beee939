//! What can be switched off with a word.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value as Json, json};

use super::{address::Address, quantity::Time};
use crate::{
    config::{
        defaults,
        keys::{AdminKeys, ServerAuthKeys},
        place::Place,
        shape::{Reader, Shape},
        tree::Node,
    },
    redact::Redacted,
};

/// The operator's listener.
#[derive(Clone)]
pub(in crate::config) struct Admin {
    pub(in crate::config) address: SocketAddr,
    pub(in crate::config) token: Option<Redacted<String>>,
}

impl Admin {
    /// At this address, and without a token.
    pub(in crate::config) const fn at(address: SocketAddr) -> Self {
        Self { address, token: None }
    }
}

/// `{listen: ADDRESS}`, or `off`.
pub(in crate::config) enum AddressOrOff {}

impl Shape for AddressOrOff {
    type Value = Option<Admin>;

    /// `false` is what a YAML 1.1 reader, Helm's for one, makes of `off`.
    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Option<Admin>> {
        if matches!(node.scalar(), Some("off" | "false")) {
            return Some(None);
        }
        if !node.is_map() {
            reader.unexpected(node, place, "`off`, or `listen: ADDRESS` below it");
            return None;
        }
        let section = AdminKeys::read(node, place, reader)?;
        let token = section.token.clone().map(|found| found.value);
        Some(Some(Admin { address: section.listen(), token }))
    }

    fn schema() -> Json {
        json!({ "anyOf": [{ "enum": ["off", false] }, AdminKeys::schema()] })
    }

    fn show(value: &Option<Admin>) -> Json {
        let shown = |admin: &Admin| json!({ "listen": Address::show(&admin.address) });
        value.as_ref().map_or_else(|| "off".into(), shown)
    }
}

/// How often something is done: a time, `on` for the usual one, or `off`.
pub(in crate::config) enum EveryOrOff {}

impl Shape for EveryOrOff {
    type Value = Option<Duration>;

    /// `true` and `false` are what a YAML 1.1 reader, Helm's for one, makes of `on` and `off`.
    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Option<Duration>> {
        match node.scalar() {
            Some("off" | "false") => Some(None),
            Some("on" | "true") => Some(Some(defaults::RESOLVE)),
            _ => Time::<1000>::read(node, place, reader).map(Some),
        }
    }

    fn schema() -> Json {
        json!({ "anyOf": [{ "enum": ["off", "on", false, true] }, Time::<1000>::schema()] })
    }

    fn show(value: &Option<Duration>) -> Json {
        value.as_ref().map_or_else(|| "off".into(), Time::<1000>::show)
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
