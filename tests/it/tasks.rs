//! Tasks: in the form that a client and its server both speak, under ids that only their owner can use, and never in the other form.

use serde_json::{Value, json};

use crate::kit::{Answer, Arrived, Catalog, Client, Era, Gateway, Legacy, Modern, Upstream, Wire, config, tool};

mod core;
mod extension;
mod required;

const WIRES: [Wire; 2] = [Wire::Http, Wire::Stdio];
const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const RELATED: &str = "io.modelcontextprotocol/related-task";
const DECLARED: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}},"elicitation":{}}"#;
const OFFERS_EXTENSION: &str = r#","extensions":{"io.modelcontextprotocol/tasks":{}}"#;
const OFFERS_CORE: &str = r#","tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}"#;
const FORM: &str = r#""message":"Name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}"#;

async fn offering(era: Era, wire: Wire, capabilities: &'static str, tools: Vec<String>) -> Upstream {
    Upstream::offering(era, wire, Catalog { capabilities, tools, ..Catalog::default() }).await
}

/// A tool of 2025-11-25 that runs as a task, maybe or always.
fn task_tool(name: &str, support: &str) -> String {
    format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}},"execution":{{"taskSupport":"{support}"}}}}"#)
}

fn modern(gateway: &Gateway) -> Modern {
    Modern::of(gateway).capable(DECLARED)
}

async fn legacy(gateway: &Gateway) -> Legacy {
    Legacy::open_with(gateway, "2025-11-25", r#"{"elicitation":{}}"#).await
}

/// The members of a flat task of the extension, without braces.
fn flat(id: &str, status: &str) -> String {
    format!(
        r#""taskId":"{id}","status":"{status}","createdAt":"2026-11-22T10:00:00Z","lastUpdatedAt":"2026-11-22T10:00:00Z","ttlMs":60000,"pollIntervalMs":50"#
    )
}

/// The members of a task of 2025-11-25, without braces.
fn task(id: &str, status: &str) -> String {
    format!(
        r#""taskId":"{id}","status":"{status}","createdAt":"2025-11-25T10:00:00Z","lastUpdatedAt":"2025-11-25T10:00:00Z","ttl":60000,"pollInterval":30"#
    )
}

fn related(id: &str) -> String {
    format!(r#""_meta":{{"{RELATED}":{{"taskId":"{id}"}}}}"#)
}

fn about(id: &str) -> String {
    format!(r#""taskId":"{id}""#)
}

async fn result(call: Client) -> Value {
    let response = call.answer().await.response().await;
    assert!(response["error"].is_null(), "{response}");
    response["result"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Two servers with the same tool and the same ids of tasks, their names prefixed.
fn both(first: &Upstream, second: &Upstream) -> Value {
    let mut settings = config(&[("first", first), ("second", second)]);
    settings["endpoints"]["/mcp"]["names"] = json!("prefixed");
    settings
}
