//! How bytes travel to an upstream and back.
mod dns;
pub mod http;
pub mod stdio;
