//! Which server a name belongs to, and under which names servers' offers appear on an endpoint.
//!
//! Pure: built from catalogs, asked with names. It never tries servers one after the other to find out who owns a name: that would
//! show each what is asked of another.

mod index;
pub mod settings;
pub mod task;
mod template;

pub use index::{Exposed, Index, Part, owner_by_prefix};
