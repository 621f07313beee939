//! Myelin: an MCP gateway.
#![forbid(unsafe_code)]

pub mod admin;
pub mod app;
pub mod audit;
pub mod auth;
pub mod clock;
pub mod commons;
pub mod config;
pub mod demo;
pub mod dialogue;
pub mod discovery;
pub mod downstream;
pub mod era;
pub mod guard;
pub mod hop;
pub mod jsonrpc;
pub mod limit;
pub mod mcp;
pub mod names;
pub mod network;
pub mod pin;
pub mod policy;
pub mod redact;
pub mod route;
pub mod seal;
pub mod sse;
pub mod state;
pub mod telemetry;
pub mod upstream;
