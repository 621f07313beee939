//! The JSON Schema of a configuration, for editors.

use serde_json::{Value as Json, json};

use super::{keys::FileKeys, names::MAX_SERVER_NAME, shape::Shape};

/// The JSON Schema (2020-12) of a configuration file.
pub fn schema() -> Json {
    let mut schema =
        json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Myelin configuration" });
    if let (Some(members), Json::Object(keys)) = (schema.as_object_mut(), FileKeys::schema()) {
        members.extend(keys);
    }
    let server_name =
        json!({ "pattern": "^[A-Za-z0-9_-]*[A-Za-z0-9-]$", "maxLength": MAX_SERVER_NAME, "not": { "pattern": "__" } });
    restrict_names(&mut schema, "/properties/mcpServers", server_name);
    restrict_names(&mut schema, "/properties/endpoints", json!({ "pattern": "^(/[A-Za-z0-9._~-]+)+$" }));
    schema
}

/// Says which names the operator may choose in the mapping at `pointer`.
fn restrict_names(schema: &mut Json, pointer: &str, names: Json) {
    if let Some(members) = schema.pointer_mut(pointer).and_then(Json::as_object_mut) {
        members.insert("propertyNames".to_owned(), names);
    }
}
