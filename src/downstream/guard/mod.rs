//! Which browsers and which names may reach the listener: `Origin`, `Host` and CORS.
//!
//! This keeps a web page from using the gateway with its visitor's network position (DNS rebinding) or credentials. It is not
//! authentication: whoever is no browser can send any `Origin` and `Host`.
//!
//! Source: 2026-07-28 basic/transports/streamable-http, Security Warning; RFC 9112 §3.2 (`Host`); RFC 6454 (`Origin`);
//! Fetch standard, CORS protocol.

mod check;
mod cors;
mod host;
mod origin;

#[cfg(test)]
mod tests;

pub use check::{Guard, Refusal};
