//! See ARCHITECTURE.md.
pub mod settings;
