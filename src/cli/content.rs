//! A tool's result for people: text as text, structured content laid out, everything else as a line that says what it is.

use myelin::jsonrpc::{Object, Raw};
use serde_json::Value;

use super::terminal::{is_read_by_a_person, plain, plain_line, size};

/// Whether a tool says that it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It did what it was asked for.
    Succeeded,
    /// `isError`.
    Failed,
}

/// What a result says, ready to print.
pub(super) struct Content {
    /// The text.
    pub(super) text: String,
    /// Whether the tool failed.
    pub(super) verdict: Verdict,
}

impl Content {
    /// Reads a `CallToolResult` of any revision.
    pub(super) fn read(result: &Raw) -> Self {
        let object = result.object().unwrap_or_default();
        let structured: Option<Value> =
            object.get("structuredContent").and_then(|raw| serde_json::from_str(raw.as_str()).ok());
        let failed = object.get("isError").and_then(|flag| flag.boolean()) == Some(true);
        let items = object.get("content").and_then(|content| content.elements()).unwrap_or_default();
        let mut parts: Vec<String> =
            items.iter().filter_map(|item| part(&item.object().ok()?, structured.as_ref())).collect();
        parts.extend(structured.map(|value| harmless(&format!("{value:#}"))));
        Self { text: parts.join("\n"), verdict: if failed { Verdict::Failed } else { Verdict::Succeeded } }
    }
}

/// One item of the content. Nothing for a text that repeats the structured content, as servers do for older clients (2025-06-18
/// server/tools, Structured Content).
fn part(item: &Object, structured: Option<&Value>) -> Option<String> {
    let kind = item.text("type").unwrap_or_default();
    match kind.as_str() {
        "text" => {
            let text = item.text("text").unwrap_or_default();
            let repeats = structured.is_some() && serde_json::from_str::<Value>(&text).ok().as_ref() == structured;
            (!repeats).then(|| harmless(&text))
        }
        "image" | "audio" => Some(blob(&kind, item.text("mimeType"), item.get("data").as_ref())),
        "resource" => Some(resource(&item.get("resource")?.object().ok()?)),
        "resource_link" => Some(format!("[resource {}]", plain_line(&item.text("uri").unwrap_or_default()))),
        _ => Some(format!("[{}]", plain_line(&kind))),
    }
}

fn resource(resource: &Object) -> String {
    let uri = plain_line(&resource.text("uri").unwrap_or_default());
    match resource.text("text") {
        Some(text) => harmless(&text),
        None => blob(&format!("resource {uri}"), resource.text("mimeType"), resource.get("blob").as_ref()),
    }
}

fn blob(kind: &str, mime: Option<String>, data: Option<&Raw>) -> String {
    // Four characters of base64 are three bytes; the quotes do not count.
    let bytes = data.map_or(0, |data| data.bytes().len().saturating_sub(2) / 4 * 3);
    let mime = mime.map(|mime| format!(" {}", plain_line(&mime))).unwrap_or_default();
    format!("[{kind}{mime}, about {}]", size(bytes))
}

/// A terminal must not obey what a server sends; a file or a program gets every byte.
fn harmless(text: &str) -> String {
    if is_read_by_a_person() { plain(text).into_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_cannot_be_printed() {
        let result = r#"{"content":[{"type":"text","text":"hello"},{"type":"image","mimeType":"image/png","data":"AAAAAAAA"},
            {"type":"resource_link","uri":"file:///a","name":"a"},{"type":"resource","resource":{"uri":"x://y","blob":"AAAA"}}]}"#;
        let content = Content::read(&Raw::literal(result));
        assert_eq!(
            content.text,
            "hello\n[image image/png, about 6 bytes]\n[resource file:///a]\n[resource x://y, about 3 bytes]"
        );
        assert_eq!(content.verdict, Verdict::Succeeded);
    }

    #[test]
    fn structured_content_is_told_once() {
        let result = r#"{"content":[{"type":"text","text":"{\"a\": 1}"}],"structuredContent":{"a":1},"isError":true}"#;
        let content = Content::read(&Raw::literal(result));
        assert_eq!(content.text, "{\n  \"a\": 1\n}");
        assert_eq!(content.verdict, Verdict::Failed);
    }
}
