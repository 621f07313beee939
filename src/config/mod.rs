//! Files to settings.
//!
//! A configuration is read in two stages, as ripgrep does with its flags. First the text becomes a [`tree`] of values with
//! positions, and the tree becomes [`keys`]: exactly what the operator wrote, each key checked by its [`shape`]. Then [`build`]
//! makes the [`settings`] that the components obey. Both stages go on after a problem, so that one run reports all of them.
//!
//! [`keys`] is the only list of keys: reading, did-you-mean, defaults and the JSON Schema come from it. What this module is not:
//! it starts nothing, watches nothing and keeps nothing; a reload is a second [`load`].

mod build;
mod clients;
mod defaults;
mod environment;
mod import;
mod keys;
mod load;
mod place;
mod problem;
mod schema;
mod shape;
mod shapes;
mod tree;
mod yaml_text;

pub mod settings;
pub mod watch;

use crate::names;

pub use crate::names::{NameFault, RESERVED_PATHS, nearest};
pub use build::stdio_upstream;
pub use environment::{Environment, ProcessEnvironment};
pub use import::{Imported, import, import_text};
pub use load::{Loaded, load, parse, sources};
pub use place::{Place, Position};
pub use problem::{Got, Note, Problem, ProblemKind, Problems, Remark};
pub use schema::schema;
pub use tree::Format;
