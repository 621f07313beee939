//! What is seen from outside: metrics, the log, one line per call.
//!
//! The lowest layer: it knows names, units and bounds, and nothing of what it is told about. Nothing secret is passed to it.

pub mod access;
pub mod label;
mod lines;
pub mod log;
pub mod metrics;

pub use lines::write_time;
pub use metrics::METRICS;
