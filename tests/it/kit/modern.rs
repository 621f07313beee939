//! A client of 2026-07-28: every request stands alone.

use std::fmt::Display;

use serde_json::Value;

use super::{Answer, Client, Gateway, MODERN, request};

/// A modern client.
#[derive(Clone)]
pub(crate) struct Modern {
    address: String,
    pub(crate) path: String,
    /// The JSON of its capabilities.
    pub(crate) capabilities: String,
    /// More members of `_meta`, each with a comma before it.
    pub(crate) meta: String,
    /// The value of its `Authorization`.
    authorization: Option<String>,
}

impl Modern {
    pub(crate) fn of(gateway: &Gateway) -> Self {
        Self::of_address(&gateway.address)
    }

    /// A client of whoever is there.
    pub(crate) fn of_address(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            path: "/mcp".to_owned(),
            capabilities: "{}".to_owned(),
            meta: String::new(),
            authorization: None,
        }
    }

    /// It sends a token with each request.
    pub(crate) fn bearing(mut self, token: &str) -> Self {
        self.authorization = Some(format!("Bearer {token}"));
        self
    }

    pub(crate) fn capable(mut self, capabilities: &str) -> Self {
        self.capabilities = capabilities.to_owned();
        self
    }

    /// More members of `_meta`.
    pub(crate) fn meta(mut self, members: &str) -> Self {
        self.meta = format!(",{members}");
        self
    }

    pub(crate) fn at(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    /// The body of a request; `members` are those of `params`, without braces.
    pub(crate) fn body(&self, id: impl Display, method: &str, members: &str) -> String {
        let comma = if members.is_empty() { "" } else { "," };
        let Self { capabilities, meta, .. } = self;
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{members}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{capabilities},"io.modelcontextprotocol/clientInfo":{{"name":"it","version":"1"}}{meta}}}}}}}"#
        )
    }

    /// The bytes of a request, with the headers that the body asks for.
    pub(crate) fn bytes(&self, id: impl Display, method: &str, members: &str) -> Vec<u8> {
        let body = self.body(id, method, members);
        let parsed: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        let name = match method {
            "tools/call" | "prompts/get" => parsed["params"]["name"].as_str(),
            "resources/read" => parsed["params"]["uri"].as_str(),
            "tasks/get" | "tasks/update" | "tasks/cancel" => parsed["params"]["taskId"].as_str(),
            _ => None,
        };
        let mut headers = vec![
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", MODERN),
            ("mcp-method", method),
        ];
        headers.extend(name.map(|name| ("mcp-name", name)));
        headers.extend(self.authorization.as_deref().map(|value| ("authorization", value)));
        request("POST", &self.path, &headers, body.as_bytes())
    }

    pub(crate) async fn send(&self, id: impl Display, method: &str, members: &str) -> Answer {
        Client::exchange(&self.address, &self.bytes(id, method, members)).await
    }

    pub(crate) async fn call(&self, id: impl Display, tool: &str, arguments: &str) -> Answer {
        self.send(id, "tools/call", &format!(r#""name":"{tool}","arguments":{arguments}"#)).await
    }

    /// Sends a request whose answer is not waited for.
    pub(crate) async fn begin(&self, id: impl Display, method: &str, members: &str) -> Client {
        let mut client = Client::connect(&self.address).await;
        client.send(&self.bytes(id, method, members)).await;
        client
    }

    pub(crate) async fn begin_call(&self, id: impl Display, tool: &str, arguments: &str) -> Client {
        self.begin(id, "tools/call", &format!(r#""name":"{tool}","arguments":{arguments}"#)).await
    }
}
