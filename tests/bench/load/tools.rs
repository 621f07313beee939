//! The catalog of the fake upstream: `echo` and as many tools of a realistic size as asked for.
use serde_json::{Value, json};

/// The definitions of `count` tools, `echo` first, as the text of a JSON array.
pub(crate) fn catalog(count: usize) -> String {
    let tools: Vec<Value> = std::iter::once(echo()).chain((1..count).map(filler)).take(count).collect();
    Value::Array(tools).to_string()
}

fn echo() -> Value {
    json!({
        "name": "echo",
        "description": "Returns its arguments, and the nonce among them as text.",
        "inputSchema": {
            "type": "object",
            "properties": { "nonce": { "type": "string" }, "text": { "type": "string" } },
            "required": ["nonce"]
        }
    })
}

fn filler(number: usize) -> Value {
    json!({
        "name": format!("search_records_{number:03}"),
        "description": format!("Searches collection {number} and returns the matching records, newest first."),
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": { "type": "string", "description": "Words to look for" },
                "limit": { "type": "integer", "minimum": 1, "maximum": 100, "default": 20 },
                "archived": { "type": "boolean" }
            },
            "required": ["query"]
        }
    })
}
