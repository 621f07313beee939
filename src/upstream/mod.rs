//! The servers behind the gateway: reached, pooled, listened to.
//!
//! An [`Upstream`] is one server; clients that may share it form a [`Group`], which has peers (live connections), the server's lists,
//! and its notices. Which era a server speaks is known only to its dialect; which wire, only to its peer.
//!
//! Sources: design notes in docs/adr; MCP as cited in each module.

pub mod credential;
pub mod settings;
pub mod wire;

mod any_exchange;
mod aside;
mod begin;
mod breaker;
mod bus;
mod catalog;
mod child_link;
mod circuit;
mod converse;
mod doing;
mod errand;
mod group;
mod http_exchange;
mod library;
mod listener;
mod lists;
mod look;
mod lost;
mod mailbox;
mod mux;
mod offered;
mod opening;
mod overlong;
mod overture;
mod owners;
mod peer;
mod place;
mod pool;
mod post;
mod posting;
mod reach;
mod record;
mod remote;
mod retry;
mod screening;
mod session;
mod shared_by;
mod shelf;
mod signature;
mod spares;
mod sse_wire;
mod starts;
mod status;
mod streamable;
mod tend;
mod wishes;

pub use catalog::{Origin, Stock};
pub use errand::{Changes, Dialect, Errand, Greeting, Tasking};
pub use group::{Content, Group, Listening, Look, Part, TaskListening};
pub use library::{Library, LibrarySettings};
pub use pool::Upstream;
pub use remote::RemoteStatus;
pub use shared_by::SharedBy;
pub use starts::Starts;
pub use status::{ChildStatus, Restart, ServerStatus, TakesCalls};
