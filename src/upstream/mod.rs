//! See ARCHITECTURE.md.
pub mod settings;
pub mod wire;
