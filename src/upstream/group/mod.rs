//! The peers that one group of clients shares: found for a call, started when there are too few, and listened to.

mod attend;
mod call;
mod changes;
mod core;
mod kept;
mod key;
mod lease;
mod lists;
mod room;
mod starting;
mod tasks;

pub use changes::Listening;
pub use core::Group;
pub(super) use kept::beginning;
pub(super) use key::{GroupKey, Owner, key};
pub use lists::{Content, Look, Part};
pub(super) use room::make_room;
pub use tasks::TaskListening;
