//! The reference of all configuration keys, from the JSON Schema.

use std::path::Path;

use serde_json::{Map, Value as Json};

use super::markdown::read;

/// What the keys of clients are described with.
const IGNORED: &str = "A client's key; ignored";

/// One table for each section of a configuration.
pub(crate) fn render(schema: &Path) -> String {
    let schema: Json = serde_json::from_str(&read(schema)).unwrap();
    let mut out = String::from("\n");
    let options = properties(&schema["properties"]["defaults"]).cloned().unwrap_or_default();
    section(&mut out, "The file", "", &schema, &Map::new());
    for (key, value) in properties(&schema).unwrap() {
        sections(&mut out, key, value, &options);
    }
    out
}

/// The table of a section and those of the sections in it.
fn sections(out: &mut String, path: &str, value: &Json, options: &Map<String, Json>) {
    let (path, value) = match value.get("additionalProperties").filter(|entry| properties(entry).is_some()) {
        Some(entry) => (format!("{path}.NAME"), entry),
        None => (path.to_owned(), object_form(value)),
    };
    let Some(keys) = properties(value) else { return };
    let options = if path == "mcpServers.NAME" { options } else { &Map::new() };
    section(out, &format!("`{path}`"), description(value), value, options);
    for (key, value) in keys.iter().filter(|(key, _)| !options.contains_key(*key)) {
        sections(out, &format!("{path}.{key}"), value, &Map::new());
    }
}

fn section(out: &mut String, title: &str, text: &str, value: &Json, options: &Map<String, Json>) {
    out.push_str(&format!("### {title}\n\n"));
    if !options.is_empty() {
        out.push_str(&format!("{text} Besides these, every key of `defaults`.\n\n"));
    } else if !text.is_empty() {
        out.push_str(&format!("{text}\n\n"));
    }
    out.push_str("| key | default | |\n|---|---|---|\n");
    let keys = properties(value).unwrap().iter().filter(|(key, _)| !options.contains_key(*key));
    let (ignored, keys): (Vec<_>, Vec<_>) = keys.partition(|(_, value)| description(value).starts_with(IGNORED));
    for (key, value) in keys {
        out.push_str(&format!("| `{key}` |{} | {} |\n", default(value), description(value)));
    }
    if !ignored.is_empty() {
        let names: Vec<String> = ignored.iter().map(|(key, _)| format!("`{key}`")).collect();
        out.push_str(&format!("\nKeys of clients that are ignored here: {}.\n", names.join(", ")));
    }
    out.push('\n');
}

/// Of a value that may also be a word, the form with keys.
fn object_form(value: &Json) -> &Json {
    let forms = value.get("anyOf").and_then(Json::as_array);
    forms.and_then(|forms| forms.iter().find(|form| properties(form).is_some())).unwrap_or(value)
}

fn properties(value: &Json) -> Option<&Map<String, Json>> {
    value.get("properties").and_then(Json::as_object)
}

fn description(value: &Json) -> &str {
    value["description"].as_str().unwrap_or_default()
}

fn default(value: &Json) -> String {
    match value.get("default") {
        Some(Json::String(text)) => format!(" `{text}`"),
        Some(Json::Object(_)) | None => String::new(),
        Some(other) => format!(" `{other}`"),
    }
}
