//! The one adapter between HTTP and the waist: requests to calls, replies to responses.
//!
//! A request is guarded, read within its limits, and classified; from there each era goes its own way ([`modern`], [`legacy`]) to the
//! same [`Waist`]. Knows nothing of upstreams.
//!
//! Sources: 2026-07-28 basic/transports/streamable-http; 2025-11-25 basic/transports; 2024-11-05 basic/transports (HTTP with SSE).

mod account;
mod answer;
mod batch;
mod body;
mod connections;
mod core;
mod door;
mod elsewhere;
mod gate;
mod guest;
mod handshake;
mod hear;
mod hops;
mod http_sse;
mod intake;
mod legacy;
mod modern;
mod pages;
mod paths;
mod pump;
mod relay;
mod said;
mod session;
mod stream;
mod subscribe;
mod table;
mod visitor;

pub use body::Body;
pub use core::Exchange;
pub use gate::{Gate, Shown};
pub use pages::{Answered, Asked, Pages};
pub use paths::{Paths, Tokens};
