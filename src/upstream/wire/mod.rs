//! How bytes reach an upstream.
pub mod http;
