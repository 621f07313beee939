//! MCP clients' own configuration files, recognised by their shape and turned into ours.
//!
//! A translation goes from tree to tree and keeps the positions, so that everything after it, the messages included, is the same
//! as for a file of ours. What a client's file says beside its servers is the client's business and is left out.

mod dialect;
mod entry;
mod references;
mod servers;

pub(super) use dialect::recognise;
pub(super) use references::variable_name;
pub(super) use servers::translate;
