//! The proxies in front of a listener, and what they tell of the clients behind them.
//!
//! Only a proxy that the operator trusts is listened to, since every client can write the same headers. Such a proxy says who connected
//! to it: in a header of each request, or in the PROXY protocol at the start of a connection. The address that results is what limits,
//! policy and the log go by. It proves nothing about who the client is.

mod forwarded;
mod protocol;
mod trust;

pub(super) use protocol::read;
pub use trust::{ForwardedHeader, ProxyProtocol, ProxySettings};
