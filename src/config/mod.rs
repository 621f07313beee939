//! Files to settings.
pub mod settings;
