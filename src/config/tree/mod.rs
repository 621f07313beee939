//! The text of a configuration as a tree of values with positions, whatever the format.
//!
//! Scalars keep their text as written: whether `8080` is a number or a port's name is decided by the key that holds it, so no
//! value is ever changed by a round trip through a number. This is not a general YAML reader: tags, several documents and
//! mappings as keys are refused, and a file has limits.

mod jsonc;
mod node;
mod read;
mod toml;
mod yaml;

pub(super) use node::{Entry, Node, Scalar, Style, Value};
pub use read::Format;
pub(super) use read::{MAX_FILE_BYTES, read};
