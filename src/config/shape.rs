//! What a value must look like: one trait that reads a value, describes it for the JSON Schema and merges it with a fallback, and
//! the macro that makes a section of keys out of a list.
//!
//! Reading goes on after a problem. A shape answers `None` when it has reported one, and nobody reports it again.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::{
    environment::{Environment, Piece, expand, pieces},
    names::nearest,
    place::{Found, Place, Position},
    problem::{Got, Note, Problem, ProblemKind, Remark},
    tree::{Entry, Node, Value},
    watch::Sources,
};

/// One form of value.
pub(super) trait Shape {
    /// What reading makes of it.
    type Value: Clone;

    /// Reads `node`; every problem goes to `reader`.
    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Self::Value>;

    /// The JSON Schema of what [`Shape::read`] accepts.
    fn schema() -> Json;

    /// A value as an operator writes it.
    fn show(value: &Self::Value) -> Json;

    /// What holds when both `value` and the more general `fallback` were given.
    fn over(value: Self::Value, _fallback: &Self::Value) -> Self::Value {
        value
    }
}

/// A key: its name and its schema, description and default included.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) schema: Json,
}

/// A fixed set of keys. Made by [`section!`].
pub(super) trait Section: Sized + Clone + Default {
    /// What the section is for.
    const ABOUT: &'static str;

    /// The keys in the order of the documentation.
    fn keys() -> Vec<Key>;

    /// Reads the section's own keys out of `fields`.
    fn take(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Self;

    /// `self` where it says something, `fallback` elsewhere.
    fn over(self, fallback: &Self) -> Self;
}

impl<S: Section> Shape for S {
    type Value = S;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<S> {
        let fields = Fields { entries: reader.entries(node, place)?, place };
        reader.report_unknown_keys(&fields, &S::keys().iter().map(|key| key.name).collect::<Vec<_>>());
        Some(S::take(&fields, reader))
    }

    fn schema() -> Json {
        let properties: Map<String, Json> =
            S::keys().into_iter().map(|key| (key.name.to_owned(), key.schema)).collect();
        json!({ "type": ["object", "null"], "description": prose(S::ABOUT), "properties": properties, "additionalProperties": false })
    }

    fn show(_: &S) -> Json {
        json!({})
    }

    fn over(value: S, fallback: &S) -> S {
        Section::over(value, fallback)
    }
}

/// The entries of a section while they are read.
pub(super) struct Fields<'a> {
    entries: &'a [Entry],
    place: &'a Place,
}

impl Fields<'_> {
    /// The value of `key`, when it was given and is right.
    pub(super) fn take<S: Shape>(&self, key: &str, reader: &mut Reader<'_>) -> Option<Found<S::Value>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let place = self.place.key(key, entry.at);
        let value = S::read(&entry.value, &place, reader)?;
        Some(Found { value, place })
    }
}

/// The more specific of two values.
pub(super) fn over<S: Shape>(
    value: Option<Found<S::Value>>,
    fallback: Option<&Found<S::Value>>,
) -> Option<Found<S::Value>> {
    match (value, fallback) {
        (Some(Found { value, place }), Some(fallback)) => Some(Found { value: S::over(value, &fallback.value), place }),
        (value, fallback) => value.or_else(|| fallback.cloned()),
    }
}

/// A key's schema with what the documentation says of it.
pub(super) fn described(mut schema: Json, about: &str, default: Option<Json>) -> Json {
    if let Json::Object(members) = &mut schema {
        members.insert("description".to_owned(), prose(about).into());
        members.extend(default.map(|default| ("default".to_owned(), default)));
    }
    schema
}

/// A doc comment as running text.
fn prose(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Collects what reading finds.
pub(super) struct Reader<'a> {
    pub(super) environment: &'a dyn Environment,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<Note>,
    /// The files that references named.
    pub(super) files: Sources,
    /// Whether there may be servers that the file does not name.
    pub(super) servers: Servers,
    /// The paths of the values that hold references.
    references: BTreeSet<String>,
}

/// Which servers there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Servers {
    /// Those that the file names.
    Named,
    /// Also others, that are found.
    Found,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a dyn Environment) -> Self {
        Self {
            environment,
            problems: Vec::new(),
            notes: Vec::new(),
            files: Sources::default(),
            servers: Servers::Named,
            references: BTreeSet::new(),
        }
    }

    pub(super) fn report(&mut self, place: &Place, kind: ProblemKind) {
        self.problems.push(Problem { place: place.clone(), kind });
    }

    /// Whether a problem with the value at `key` below `place` was reported, so that its absence is no news.
    pub(super) fn reported(&self, place: &Place, key: &str) -> bool {
        let path = place.key(key, Position::START).path;
        self.problems.iter().any(|problem| problem.place.path == path)
    }

    /// Whether a problem with anything below `place` was reported.
    pub(super) fn reported_below(&self, place: &Place) -> bool {
        self.problems.iter().any(|problem| problem.place.path.starts_with(&place.path))
    }

    pub(super) fn note(&mut self, place: &Place, remark: Remark) {
        self.notes.push(Note { place: place.clone(), remark });
    }

    /// Reports that `node` is not what the key wants, quoting it as written.
    pub(super) fn unexpected(&mut self, node: &Node, place: &Place, wanted: &'static str) {
        self.report(place, ProblemKind::Expected { wanted, got: got(node) });
    }

    /// A scalar with its references replaced.
    pub(super) fn text(&mut self, node: &Node, place: &Place, wanted: &'static str) -> Option<String> {
        match &node.value {
            Value::Scalar(scalar) if !node.is_nothing() => self.expand(&scalar.text, place),
            _ => {
                self.report(place, ProblemKind::Expected { wanted, got: Got::Kind(node.kind()) });
                None
            }
        }
    }

    /// A value for a message, unless it came from a reference.
    pub(super) fn quoted(&self, value: &str, place: &Place) -> Got {
        if self.references.contains(&place.path) { Got::Hidden } else { Got::Written(value.to_owned()) }
    }

    fn expand(&mut self, text: &str, place: &Place) -> Option<String> {
        if pieces(text).iter().any(|piece| !matches!(piece, Piece::Text(_))) {
            self.references.insert(place.path.clone());
        }
        match expand(text, self.environment, &mut self.files) {
            Ok(expanded) => Some(expanded),
            Err(problems) => {
                for problem in problems {
                    self.report(place, problem);
                }
                None
            }
        }
    }

    /// The entries of a mapping. Nothing counts as an empty one: it is what is left of a section whose keys are all commented out.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, place: &Place) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            Value::Scalar(_) if node.is_nothing() => Some(&[]),
            _ => {
                self.report(place, ProblemKind::Expected { wanted: "a mapping of keys", got: Got::Kind(node.kind()) });
                None
            }
        }
    }

    fn report_unknown_keys(&mut self, fields: &Fields<'_>, known: &[&'static str]) {
        for entry in fields.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let near = nearest(&entry.key, known.iter().copied());
            self.report(&fields.place.key(&entry.key, entry.at), ProblemKind::UnknownKey { near });
        }
    }
}

/// What stands in a node, for a message.
pub(super) fn got(node: &Node) -> Got {
    match &node.value {
        Value::Scalar(scalar) if !node.is_nothing() => Got::Written(scalar.text.clone()),
        _ => Got::Kind(node.kind()),
    }
}

/// Makes a section out of a list of keys: a struct of what was written, a method for each key that has a default, and the
/// [`Section`] that reads, documents and merges them. The list is the only place where a key is named.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident {
            $($(#[doc = $doc:literal])+ $field:ident $key:literal: $shape:ty $(= $default:expr)?,)+
            $(..$rest:ident: $rest_section:ty)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Default)]
        pub(in crate::config) struct $name {
            $($(#[doc = $doc])+ pub(in crate::config) $field: Option<$crate::config::place::Found<<$shape as $crate::config::shape::Shape>::Value>>,)+
            $(pub(in crate::config) $rest: $rest_section,)?
        }

        impl $name {
            $($(
                #[doc = concat!("`", $key, "`, or its default.")]
                pub(in crate::config) fn $field(&self) -> <$shape as $crate::config::shape::Shape>::Value {
                    self.$field.as_ref().map_or_else(|| $default, |found| found.value.clone())
                }
            )?)+
        }

        impl $crate::config::shape::Section for $name {
            const ABOUT: &'static str = concat!($($about),+);

            fn keys() -> Vec<$crate::config::shape::Key> {
                use $crate::config::shape::{Key, Shape, described};
                #[allow(unused_mut, reason = "only a section with a rest adds to it")]
                let mut keys = vec![$({
                    #[allow(unused_mut, unused_assignments, reason = "only a key with a default sets it")]
                    let mut default = None;
                    $(default = Some(<$shape as Shape>::show(&$default));)?
                    Key { name: $key, schema: described(<$shape as Shape>::schema(), concat!($($doc),+), default) }
                }),+];
                $(keys.extend(<$rest_section as $crate::config::shape::Section>::keys());)?
                keys
            }

            fn take(fields: &$crate::config::shape::Fields<'_>, reader: &mut $crate::config::shape::Reader<'_>) -> Self {
                Self {
                    $($field: fields.take::<$shape>($key, reader),)+
                    $($rest: <$rest_section as $crate::config::shape::Section>::take(fields, reader),)?
                }
            }

            fn over(self, fallback: &Self) -> Self {
                Self {
                    $($field: $crate::config::shape::over::<$shape>(self.$field, fallback.$field.as_ref()),)+
                    $($rest: $crate::config::shape::Section::over(self.$rest, &fallback.$rest),)?
                }
            }
        }
    };
}
pub(super) use section;
