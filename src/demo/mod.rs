//! Three small tool servers that come with the binary: a search engine, a vector collection, a document shelf.
//!
//! They run as real stdio children (`myelin demo search`, `myelin demo vectors`, `myelin demo documents`), so that a new
//! user has something true to put behind the gateway within a minute, and the tests have peers of both protocol eras.
//! The answers are computed over the embedded corpus: nothing is canned.
//!
//! They are deliberately *not* built from the gateway's own codecs: a peer that shares code with what it is tried
//! against would repeat its mistakes. They are synchronous, single-threaded and open no socket or file.
//!
//! Sources: MCP 2026-07-28 (modern) and 2024-11-05 to 2025-11-25 (legacy), the stdio transport of each. The command line
//! calls [`serve`].

mod arguments;
mod bm25;
mod corpus;
mod documents;
mod dress;
mod embedding;
mod era;
mod fault;
mod line;
mod method;
mod offer;
mod rpc;
mod search;
mod server;
mod shelf;
mod subscription;
mod text;
mod tool;
mod vectors;

#[cfg(test)]
mod kit;
#[cfg(test)]
mod transcripts;

pub use server::{DemoServer, UnknownDemoServer, serve};
