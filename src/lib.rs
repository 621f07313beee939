//! Myelin: an MCP gateway.
