//! The JSON Schema of a configuration, for editors.

use serde_json::{Value as Json, json};

use super::{keys::FileKeys, names::MAX_SERVER_NAME, shape::Shape};

/// The JSON Schema (2020-12) of a configuration file.
pub fn schema() -> Json {
    let mut schema = FileKeys::schema();
    let heads = [("$schema", json!("https://json-schema.org/draft/2020-12/schema")), ("title", json!("Myelin configuration"))];
    if let Some(members) = schema.as_object_mut() {
        let rest = std::mem::take(members);
        members.extend(heads.map(|(key, value)| (key.to_owned(), value)));
        members.extend(rest);
    }
    schema["properties"]["mcpServers"]["propertyNames"] =
        json!({ "pattern": "^[A-Za-z0-9_-]*[A-Za-z0-9-]$", "maxLength": MAX_SERVER_NAME, "not": { "pattern": "__" } });
    schema["properties"]["endpoints"]["propertyNames"] = json!({ "pattern": "^(/[A-Za-z0-9._~-]+)+$" });
    schema
}
