//! The clients' dialects, and by which shape each is recognised.

use super::references::References;
use crate::config::{
    keys::FileKeys,
    names::nearest,
    shape::Section,
    tree::{Entry, Format, Node, Value},
};

/// How a client writes.
pub(in crate::config) struct Dialect {
    /// Where the servers are.
    pub(super) servers: &'static [&'static str],
    timeout: TimeoutUnit,
    pub(super) unknown: UnknownKeys,
    pub(super) references: References,
}

/// What a number without a unit counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeoutUnit {
    Milliseconds,
    Seconds,
}

/// What becomes of a key that no table knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownKeys {
    /// It is ours and misspelt, or new: the reader says so.
    Keep,
    /// It is the client's: a note.
    Drop,
}

/// `mcpServers` of Claude Desktop, Claude Code, Cursor, Cline, Windsurf, Gemini and many others.
const MCP_SERVERS: Dialect = Dialect {
    servers: &["mcpServers"],
    timeout: TimeoutUnit::Milliseconds,
    unknown: UnknownKeys::Keep,
    references: References::Ours,
};
const CONTINUE: Dialect = Dialect { unknown: UnknownKeys::Drop, references: References::Continue, ..MCP_SERVERS };
const AMP: Dialect = Dialect { servers: &["amp.mcpServers"], unknown: UnknownKeys::Drop, ..MCP_SERVERS };
const ZED: Dialect = Dialect { servers: &["context_servers"], unknown: UnknownKeys::Drop, ..MCP_SERVERS };
const VS_CODE: Dialect =
    Dialect { servers: &["servers"], unknown: UnknownKeys::Drop, references: References::Inputs, ..MCP_SERVERS };
const VS_CODE_SETTINGS: Dialect = Dialect { servers: &["mcp", "servers"], ..VS_CODE };
const OPENCODE: Dialect =
    Dialect { servers: &["mcp"], unknown: UnknownKeys::Drop, references: References::Braces, ..MCP_SERVERS };
const CRUSH: Dialect = Dialect { timeout: TimeoutUnit::Seconds, references: References::Shell, ..OPENCODE };
const GOOSE: Dialect =
    Dialect { servers: &["extensions"], timeout: TimeoutUnit::Seconds, unknown: UnknownKeys::Drop, ..MCP_SERVERS };
const CODEX: Dialect = Dialect { servers: &["mcp_servers"], ..GOOSE };

impl Dialect {
    /// Cline, which alone writes these keys, counts seconds where the others count milliseconds.
    pub(super) fn timeout_unit(&self, server: &Node) -> TimeoutUnit {
        if server.get("autoApprove").or(server.get("alwaysAllow")).is_some() {
            TimeoutUnit::Seconds
        } else {
            self.timeout
        }
    }
}

/// The dialect of a file that is not in Myelin's own form.
pub(in crate::config) fn recognise(root: &Node, format: Format) -> Option<Dialect> {
    let has_map = |key: &str| root.get(key).is_some_and(Node::is_map);
    if has_map("context_servers") {
        Some(ZED)
    } else if has_map("mcp_servers") {
        Some(CODEX)
    } else if has_map("amp.mcpServers") {
        Some(AMP)
    } else if root.get("mcpServers").is_some_and(|servers| matches!(servers.value, Value::List(_))) {
        Some(CONTINUE)
    } else if is_ours(root) {
        None
    } else if has_map("mcpServers") {
        // Only JSON: in a YAML file an unknown key beside `mcpServers` is a mistake.
        (format == Format::Json).then_some(MCP_SERVERS)
    } else if has_map("servers") {
        Some(VS_CODE)
    } else if has_map("extensions") {
        Some(GOOSE)
    } else {
        root.get("mcp").filter(|mcp| mcp.is_map()).map(under_mcp)
    }
}

/// Whether a key beside the servers is one of ours, or was meant to be.
fn is_ours(root: &Node) -> bool {
    let ours: Vec<&str> =
        FileKeys::keys().iter().map(|key| key.name).filter(|name| !matches!(*name, "$schema" | "mcpServers")).collect();
    root.entries().iter().any(|entry| nearest(&entry.key, ours.iter().copied()).is_some() && entry.key != "servers")
}

/// `mcp` is opencode's, Crush's and VS Code's: opencode says `local` or `remote`, VS Code nests once more.
fn under_mcp(mcp: &Node) -> Dialect {
    let is_opencode =
        |entry: &Entry| matches!(entry.value.get("type").and_then(Node::scalar), Some("local" | "remote"));
    if mcp.get("servers").is_some_and(Node::is_map) {
        VS_CODE_SETTINGS
    } else if mcp.entries().iter().any(is_opencode) {
        OPENCODE
    } else {
        CRUSH
    }
}
