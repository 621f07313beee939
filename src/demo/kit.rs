//! What the tests of the demo servers share: a tool call without a wire, and a server over canned lines.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::era::{Asking, Era};
use super::line::Outlet;
use super::offer::Offer;
use super::rpc::object;
use super::server::{DemoServer, serve};
use super::tool::{Answer, Exchange, Misuse};

struct Silence;

impl Outlet for Silence {
    fn send(&mut self, _: &Value) {}
}

fn try_call<S: Offer>(state: &mut S, name: &str, arguments: Value) -> Result<Value, Misuse> {
    let tool = S::tools().iter().find(|tool| tool.name() == name).expect("the tests name tools that exist");
    let arguments = Arguments::read(object(arguments), &tool.card()["inputSchema"])?;
    let asking = Asking { era: Era::Modern, progress_token: None, log_level: None };
    let (mut outlet, mut changes) = (Silence, Vec::new());
    let answer = tool.call(state, &arguments, &mut Exchange::new(&asking, &mut outlet, &mut changes))?;
    Ok(Answer::into_body(answer)["structuredContent"].clone())
}

/// The structured content of a call that works.
pub(super) fn call<S: Offer>(state: &mut S, name: &str, arguments: Value) -> Value {
    try_call(state, name, arguments).expect("the call works")
}

/// What is said to a call that makes no sense.
pub(super) fn misuse<S: Offer>(state: &mut S, name: &str, arguments: Value) -> String {
    try_call(state, name, arguments).expect_err("the call is refused").to_string()
}

/// Everything a server says to these lines.
pub(super) fn converse_raw(server: DemoServer, input: &[u8]) -> Vec<Value> {
    let mut output = Vec::new();
    serve(server, input, &mut output).expect("memory does not fail");
    let lines = output.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("each line is a message")).collect()
}

/// Everything a server says to these messages.
pub(super) fn converse(server: DemoServer, messages: &[Value]) -> Vec<Value> {
    let lines: Vec<String> = messages.iter().map(|message| format!("{message}\n")).collect();
    converse_raw(server, lines.concat().as_bytes())
}

/// A modern request, with its envelope.
pub(super) fn modern(id: impl Into<Value>, method: &str, params: Value) -> Value {
    let mut params = object(params);
    let meta = params.entry("_meta").or_insert_with(|| json!({}));
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A legacy request.
pub(super) fn legacy(id: i64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// A notification.
pub(super) fn note(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// The opening of a legacy session.
pub(super) fn opening(version: &str) -> [Value; 2] {
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
    [legacy(0, "initialize", params), note("notifications/initialized", json!({}))]
}
