//! By what somebody may be known: a word, or an issuer by its identifier.

use serde_json::{Value as Json, json};

use super::text::REFERENCE_PATTERN;
use crate::{
    auth::settings::Way,
    config::{
        names::nearest,
        place::Place,
        problem::ProblemKind,
        shape::{Reader, Shape, got},
        tree::Node,
    },
};

/// The words, and what they stand for.
const WORDS: [(&str, Way); 6] = [
    ("apiKeys", Way::ApiKeys),
    ("issuers", Way::Issuers),
    ("introspection", Way::Introspection),
    ("kubernetes", Way::Kubernetes),
    ("certificates", Way::Certificates),
    ("anonymous", Way::Anonymous),
];

/// A way to be known.
pub(in crate::config) enum WayWord {}

impl Shape for WayWord {
    type Value = Way;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Way> {
        let text = reader.text(node, place, "a word, or an issuer")?;
        let word = WORDS.iter().find(|(word, _)| *word == text).map(|(_, way)| way.clone());
        let way = word.or_else(|| text.contains("://").then(|| Way::Issuer(text.clone())));
        if way.is_none() {
            let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            let near = nearest(node.scalar().unwrap_or_default(), words.iter().copied());
            reader.report(place, ProblemKind::NoSuchWord { words, got: got(node), near });
        }
        way
    }

    fn schema() -> Json {
        let words = WORDS.map(|(word, _)| word);
        json!({ "anyOf": [
            { "enum": words },
            { "type": "string", "pattern": "^https?://" },
            { "type": "string", "pattern": REFERENCE_PATTERN },
        ] })
    }

    fn show(value: &Way) -> Json {
        match value {
            Way::Issuer(issuer) => issuer.as_str().into(),
            way => WORDS.iter().find(|(_, meaning)| meaning == way).map_or(Json::Null, |(word, _)| (*word).into()),
        }
    }
}
