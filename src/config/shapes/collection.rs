//! Lists and mappings of values.

use std::marker::PhantomData;

use serde_json::{Value as Json, json};

use crate::config::{
    place::{Found, Place},
    problem::{Got, ProblemKind},
    shape::{Reader, Shape},
    tree::{Node, Value},
};

/// A list.
pub(in crate::config) struct List<S>(PhantomData<S>);

impl<S: Shape> Shape for List<S> {
    type Value = Vec<Found<S::Value>>;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let Value::List(items) = &node.value else {
            reader.report(place, ProblemKind::Expected { wanted: "a list", got: Got::Kind(node.kind()) });
            return None;
        };
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let place = place.index(index, item.at);
            list.extend(S::read(item, &place, reader).map(|value| Found { value, place }));
        }
        Some(list)
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": S::schema() })
    }

    fn show(value: &Self::Value) -> Json {
        value.iter().map(|found| S::show(&found.value)).collect()
    }
}

/// A list, or the only element of one.
pub(in crate::config) struct OneOrMany<S>(PhantomData<S>);

impl<S: Shape> Shape for OneOrMany<S> {
    type Value = Vec<Found<S::Value>>;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Self::Value> {
        if matches!(node.value, Value::List(_)) {
            return List::<S>::read(node, place, reader);
        }
        let value = S::read(node, place, reader)?;
        Some(vec![Found { value, place: place.clone() }])
    }

    fn schema() -> Json {
        json!({ "anyOf": [S::schema(), List::<S>::schema()] })
    }

    fn show(value: &Self::Value) -> Json {
        List::<S>::show(value)
    }
}

/// A mapping whose keys the operator chooses, in the order of the file.
pub(in crate::config) struct Mapping<S>(PhantomData<S>);

impl<S: Shape> Shape for Mapping<S> {
    type Value = Vec<(String, Found<S::Value>)>;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let mut mapping = Vec::new();
        for entry in reader.entries(node, place)? {
            let place = place.key(&entry.key, entry.at);
            let value = S::read(&entry.value, &place, reader);
            mapping.extend(value.map(|value| (entry.key.clone(), Found { value, place })));
        }
        Some(mapping)
    }

    fn schema() -> Json {
        json!({ "type": ["object", "null"], "additionalProperties": S::schema() })
    }

    fn show(value: &Self::Value) -> Json {
        value.iter().map(|(key, found)| (key.clone(), S::show(&found.value))).collect()
    }
}
