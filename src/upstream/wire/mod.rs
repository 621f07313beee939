//! How bytes travel to an upstream and back.
pub mod http;
pub mod stdio;
