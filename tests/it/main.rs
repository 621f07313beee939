//! The gateway as a whole: the real program between clients and servers that the tests script.

#![allow(
    clippy::pedantic,
    clippy::wrong_self_convention,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "a test fails where it panics"
)]

#[allow(dead_code, reason = "the kit offers more than today's tests take")]
mod kept;
mod kit;

mod addresses;
mod audit;
mod auth;
mod chaos;
mod chaos_http;
mod conversation;
mod credentials;
mod crosstalk;
mod crowd;
mod discovery;
mod egress;
mod era;
mod failure;
mod fidelity;
mod hop;
mod input;
mod limits;
mod lists;
mod matrix;
mod operator;
mod pins;
mod policy;
mod pools;
mod process;
mod questions;
mod replicas;
mod sdk;
mod session;
mod slow;
mod stale;
mod subscriptions;
mod tasks;
mod tls;
mod transparency;
mod transport;
mod upkeep;
mod vanish;
