//! The servers behind the gateway: reached, pooled, listened to.
pub mod settings;
pub mod wire;

mod bus;
mod converse;
mod errand;
mod http_exchange;
mod mailbox;
mod mux;
mod owners;
mod streamable;
