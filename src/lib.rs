//! Myelin: an MCP gateway.
#![forbid(unsafe_code)]

pub mod config;
pub mod downstream;
pub mod redact;
pub mod route;
pub mod upstream;
