//! Myelin: an MCP gateway.
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod demo;
pub mod downstream;
pub mod era;
pub mod guard;
pub mod jsonrpc;
pub mod mcp;
pub mod redact;
pub mod route;
pub mod seal;
pub mod sse;
pub mod upstream;
