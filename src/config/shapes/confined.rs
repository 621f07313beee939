//! The parts of `sandbox` that are not mere sections.

use std::marker::PhantomData;

use serde_json::{Value as Json, json};

use super::quantity::Bytes;
use crate::{
    config::{
        place::Place,
        shape::{Reader, Section, Shape},
        tree::Node,
    },
    guard::sandbox::User,
};

/// A section, or `off`.
pub(in crate::config) struct OrOff<S>(PhantomData<S>);

impl<S: Section> Shape for OrOff<S> {
    type Value = Option<S>;

    /// `false` is what a YAML 1.1 reader, Helm's for one, makes of `off`.
    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Option<S>> {
        match node.scalar() {
            Some("off" | "false") => Some(None),
            _ => S::read(node, place, reader).map(Some),
        }
    }

    fn schema() -> Json {
        json!({ "anyOf": [{ "enum": ["off", false] }, S::schema()] })
    }

    fn show(value: &Option<S>) -> Json {
        value.as_ref().map_or_else(|| "off".into(), S::show)
    }

    fn over(value: Option<S>, fallback: &Option<S>) -> Option<S> {
        match (value, fallback) {
            (Some(value), Some(fallback)) => Some(Section::over(value, fallback)),
            (value, _) => value,
        }
    }
}

/// A user and a group.
pub(in crate::config) enum Account {}

impl Shape for Account {
    type Value = User;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<User> {
        const WANTED: &str = "a user: USER, USER:GROUP, UID or UID:GID";
        let user = reader.text(node, place, WANTED)?.parse().ok();
        if user.is_none() {
            reader.unexpected(node, place, WANTED);
        }
        user
    }

    fn schema() -> Json {
        json!({ "type": ["string", "integer"] })
    }

    fn show(value: &User) -> Json {
        value.to_string().into()
    }
}

/// Memory or disk: at least a page, which is what the kernel counts in, and at most more than any machine has.
pub(in crate::config) type Space = Bytes<4096, { 1 << 50 }>;
