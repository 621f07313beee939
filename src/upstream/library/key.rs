//! Which volume of a library.

use std::sync::Arc;

/// Which volume.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::upstream) struct Key {
    /// The server.
    pub(in crate::upstream) server: Arc<str>,
    /// The only principal who may read it, by its id; `None` for everybody.
    pub(in crate::upstream) reader: Option<Arc<str>>,
}
