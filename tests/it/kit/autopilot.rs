//! What a scripted server does when its test does not care: it shakes hands, lists, and lets itself be listened to.

use std::sync::{Arc, atomic::Ordering};

use serde_json::{Value, json};

use super::{
    MODERN,
    upstream::{Arrived, Era, Inner, Wire, lock},
};

/// What a server offers: the JSON of each entry.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    pub(crate) tools: Vec<String>,
    pub(crate) prompts: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) templates: Vec<String>,
    /// Entries per page.
    pub(crate) page: usize,
    pub(crate) ttl_ms: u64,
    pub(crate) scope: &'static str,
    /// More members of its capabilities, each with a comma before it.
    pub(crate) capabilities: &'static str,
    /// What the server declares besides.
    pub(crate) extensions: Value,
    /// What the server says of itself.
    pub(crate) instructions: &'static str,
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            tools: vec![tool("echo")],
            prompts: vec![r#"{"name":"greet"}"#.to_owned()],
            resources: vec![r#"{"uri":"it://one","name":"one"}"#.to_owned()],
            templates: Vec::new(),
            page: usize::MAX,
            ttl_ms: 60_000,
            scope: "public",
            capabilities: "",
            extensions: Value::Null,
            instructions: "",
        }
    }
}

/// A tool that takes anything.
pub(crate) fn tool(name: &str) -> String {
    format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#)
}

const CAPABILITIES: &str = r#""tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{},"completions":{}"#;

/// Answers what it knows; hands back what the test must take.
pub(super) async fn answer(upstream: &Arc<Inner>, mut arrived: Arrived) -> Option<Arrived> {
    if arrived.line().starts_with("GET") || arrived.line().starts_with("DELETE") {
        stream_or_end(upstream, arrived).await;
        return None;
    }
    if arrived.method().is_empty() || arrived.id().is_null() {
        if upstream.wire == Wire::Http {
            arrived.respond(202, "", "").await;
        }
        return Some(arrived).filter(|arrived| arrived.method() != "notifications/initialized");
    }
    match (arrived.method().to_owned().as_str(), upstream.era) {
        ("server/discover", Era::Modern) => arrived.result(&discovered(upstream)).await,
        ("server/discover", Era::Legacy) if upstream.wire == Wire::Http => {
            let refusal = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}"#;
            arrived.respond(400, "content-type: application/json\r\n", refusal).await;
        }
        ("initialize", Era::Legacy) => initialize(upstream, &mut arrived).await,
        ("initialize" | "server/discover", _) => arrived.error(-32601, "Method not found").await,
        ("ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe", Era::Legacy) => {
            arrived.result("{}").await;
        }
        ("subscriptions/listen", Era::Modern) => listen(upstream, arrived).await,
        (method, era) if method.ends_with("/list") => {
            let page = page(upstream, method, era, arrived.params());
            arrived.result(&page).await;
        }
        _ => return Some(arrived),
    }
    None
}

async fn stream_or_end(upstream: &Arc<Inner>, mut arrived: Arrived) {
    if arrived.line().starts_with("DELETE") {
        return arrived.respond(200, "", "").await;
    }
    if upstream.era == Era::Modern {
        return arrived.respond(405, "allow: POST\r\n", "").await;
    }
    arrived.open_stream().await;
    lock(&upstream.listeners).push((arrived, None));
}

/// The capabilities of a server.
fn capabilities(upstream: &Inner) -> String {
    let catalog = lock(&upstream.catalog);
    let extensions = match &catalog.extensions {
        Value::Null => String::new(),
        extensions => format!(r#","extensions":{extensions}"#),
    };
    format!("{{{CAPABILITIES}{}{extensions}}}", catalog.capabilities)
}

/// What the server says of itself, as a member with a comma before it.
fn instructions(upstream: &Inner) -> String {
    match lock(&upstream.catalog).instructions {
        "" => String::new(),
        text => format!(r#","instructions":{}"#, Value::from(text)),
    }
}

fn discovered(upstream: &Inner) -> String {
    let (capabilities, instructions) = (capabilities(upstream), instructions(upstream));
    format!(
        r#"{{"resultType":"complete","supportedVersions":["{MODERN}"],"capabilities":{capabilities}{instructions},"ttlMs":60000,"cacheScope":"public"}}"#
    )
}

async fn initialize(upstream: &Arc<Inner>, arrived: &mut Arrived) {
    let revision = arrived.params()["protocolVersion"].clone();
    let (capabilities, instructions) = (capabilities(upstream), instructions(upstream));
    let result = format!(
        r#"{{"protocolVersion":{revision},"capabilities":{capabilities},"serverInfo":{{"name":"it","version":"1"}}{instructions}}}"#
    );
    if upstream.wire == Wire::Stdio {
        lock(&upstream.listeners).push((arrived.clone(), None));
        return arrived.result(&result).await;
    }
    let session = upstream.sessions.fetch_add(1, Ordering::Relaxed);
    let text = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, arrived.id());
    arrived.respond(200, &format!("content-type: application/json\r\nmcp-session-id: s-{session}\r\n"), &text).await;
}

async fn listen(upstream: &Arc<Inner>, mut arrived: Arrived) {
    let id = arrived.id().clone();
    let granted = &arrived.params()["notifications"];
    let members = format!(r#""notifications":{granted},"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}"#);
    arrived.notice("notifications/subscriptions/acknowledged", &members).await;
    lock(&upstream.listeners).push((arrived, Some(id)));
}

fn page(upstream: &Arc<Inner>, method: &str, era: Era, params: &Value) -> String {
    let catalog = lock(&upstream.catalog);
    let (name, entries) = match method {
        "tools/list" => ("tools", &catalog.tools),
        "prompts/list" => ("prompts", &catalog.prompts),
        "resources/list" => ("resources", &catalog.resources),
        _ => ("resourceTemplates", &catalog.templates),
    };
    let start =
        params["cursor"].as_str().and_then(|cursor| cursor.strip_prefix("after ")).map_or(0, |at| at.parse().unwrap());
    let end = start + catalog.page.min(entries.len() - start);
    let mut members = format!(r#""{name}":[{}]"#, entries[start..end].join(","));
    if end < entries.len() {
        members.push_str(&format!(r#","nextCursor":{}"#, json!(format!("after {end}"))));
    }
    if era == Era::Modern {
        let (ttl, scope) = (catalog.ttl_ms, catalog.scope);
        members.push_str(&format!(r#","resultType":"complete","ttlMs":{ttl},"cacheScope":"{scope}""#));
    }
    format!("{{{members}}}")
}
