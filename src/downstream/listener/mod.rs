//! The accept loop: sockets in, HTTP requests out to one service, answers back.
//!
//! HTTP/1.1 and HTTP/2, plain or over TLS, within the limits of [`HttpSettings`](super::settings::HttpSettings): connections, header
//! size, header time, streams of a connection. It reads no request: what a request means, who sent it and how large its body may be is
//! decided by the service. Every connection is a task owned by [`serve`], every HTTP/2 stream a task owned by its connection.
//!
//! Source: RFC 9112, RFC 9113, RFC 7301 (ALPN), RFC 6585 §5 (431).

mod accept;
mod bound;
mod connection;
mod finished;
mod leaving;
mod patience;
mod seldom;
mod stall;
mod streams;

#[cfg(test)]
mod tests;

pub use accept::{Served, serve};
pub use bound::{BindError, Bound};
pub use connection::Peer;
