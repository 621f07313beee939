//! What servers listed and offered, kept while they do not run: in memory, and sealed in files where there is a folder for them.
//!
//! A cache and nothing more: what cannot be read is thrown away and made anew. Never is what one principal was listed found for another
//! (docs/adr/0026).

mod folder;
mod key;
mod table;
#[cfg(test)]
mod tests;
mod volume;

pub(super) use key::Key;
pub use table::{Library, LibrarySettings};
pub(super) use volume::{Volume, identity};
