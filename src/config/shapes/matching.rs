//! Which calls a limit is about.

use serde_json::{Value as Json, json};

use crate::config::{
    keys::MatchKeys,
    place::Place,
    shape::{Reader, Shape},
    tree::Node,
};

/// A pattern, or one for each of several things.
pub(in crate::config) enum Matching {}

/// What was written.
#[derive(Clone)]
pub(in crate::config) enum Matched {
    /// One pattern over what is counted apart.
    One(String),
    /// One for each.
    Each(Box<MatchKeys>),
}

impl Shape for Matching {
    type Value = Matched;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Matched> {
        if node.is_map() {
            return MatchKeys::read(node, place, reader).map(|keys| Matched::Each(Box::new(keys)));
        }
        reader.text(node, place, "a pattern such as web_*, or a mapping of patterns").map(Matched::One)
    }

    fn schema() -> Json {
        json!({ "anyOf": [{ "type": "string" }, MatchKeys::schema()] })
    }

    fn show(value: &Matched) -> Json {
        match value {
            Matched::One(pattern) => pattern.as_str().into(),
            Matched::Each(_) => json!({}),
        }
    }
}
