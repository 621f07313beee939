//! Myelin: an MCP gateway.

pub mod demo;
