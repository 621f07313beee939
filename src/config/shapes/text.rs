//! Texts, and values that are one word.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::{
    config::{
        place::Place,
        problem::{ProblemKind, Remark},
        shape::{Reader, Shape},
        tree::Node,
    },
    redact::Redacted,
};

/// What a JSON Schema allows beside a pattern: a reference, whose value nobody knows before the start.
pub(super) const REFERENCE_PATTERN: &str = r"\$\{.+\}";

/// Any text.
pub(in crate::config) enum Text {}

impl Shape for Text {
    type Value = String;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<String> {
        reader.text(node, place, "text")
    }

    /// YAML writes `8080` and `true` without quotes, and both are good arguments of a program.
    fn schema() -> Json {
        json!({ "type": ["string", "number", "boolean"] })
    }

    fn show(value: &String) -> Json {
        value.as_str().into()
    }
}

/// Text that must not be printed.
pub(in crate::config) enum Secret {}

impl Shape for Secret {
    type Value = Redacted<String>;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Redacted<String>> {
        Text::read(node, place, reader).map(Redacted::new)
    }

    fn schema() -> Json {
        Text::schema()
    }

    fn show(_: &Redacted<String>) -> Json {
        Json::Null
    }
}

/// A path of a file or directory; a relative one starts from the configuration's own directory.
pub(in crate::config) enum FilePath {}

impl Shape for FilePath {
    type Value = PathBuf;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<PathBuf> {
        let path = reader.text(node, place, "a path")?;
        Some(reader.environment.directory().join(path))
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn show(value: &PathBuf) -> Json {
        value.to_string_lossy().into()
    }
}

/// A glob pattern over names.
pub(in crate::config) enum Glob {}

impl Shape for Glob {
    type Value = String;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<String> {
        let pattern = reader.text(node, place, "a pattern such as web_*")?;
        match globset::Glob::new(&pattern) {
            Ok(_) => Some(pattern),
            Err(error) => {
                reader.report(place, ProblemKind::BadGlob(error.kind().clone()));
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn show(value: &String) -> Json {
        value.as_str().into()
    }
}

/// `true` or `false`.
pub(in crate::config) enum Flag {}

impl Shape for Flag {
    type Value = bool;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<bool> {
        match reader.text(node, place, "true or false")?.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                reader.unexpected(node, place, "true or false");
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "type": ["boolean", "string"], "pattern": REFERENCE_PATTERN })
    }

    fn show(value: &bool) -> Json {
        (*value).into()
    }
}

/// The one word `allow`.
pub(in crate::config) enum Allow {}

impl Shape for Allow {
    type Value = ();

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<()> {
        if reader.text(node, place, "`allow`")? == "allow" {
            return Some(());
        }
        reader.unexpected(node, place, "`allow`, or no such key");
        None
    }

    fn schema() -> Json {
        json!({ "const": "allow" })
    }

    fn show((): &()) -> Json {
        "allow".into()
    }
}

/// Anything: a key of a client that means nothing here.
pub(in crate::config) enum Ignored {}

impl Shape for Ignored {
    type Value = ();

    fn read(_: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<()> {
        reader.note(place, Remark::Ignored);
        Some(())
    }

    fn schema() -> Json {
        json!({})
    }

    fn show((): &()) -> Json {
        Json::Null
    }
}

/// Where an editor finds the JSON Schema; only the editor reads it.
pub(in crate::config) enum SchemaAddress {}

impl Shape for SchemaAddress {
    type Value = ();

    fn read(_: &Node, _: &Place, _: &mut Reader<'_>) -> Option<()> {
        Some(())
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn show((): &()) -> Json {
        Json::Null
    }
}
