//! See ARCHITECTURE.md.
pub mod drain;
pub mod exchange;
pub mod guard;
pub mod listener;
pub mod proxies;
pub mod settings;
pub mod tls;
