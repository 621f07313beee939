//! A client's configuration as a file of ours, for keeps.
//!
//! What looks like a secret is not copied: the new file refers to a variable instead, and a note says which. A reference stays.

mod file;
mod secrets;

pub use file::{Imported, import, import_text};
