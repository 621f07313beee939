//! Tasks on an endpoint: made under ids of the gateway's own, found again by them, listed, and followed.
//!
//! What is asked of a task needs nothing but its sealed id. [`Book`](book::Book) only remembers which tasks of 2025-11-25 belong to
//! whom, for what a server says of them unasked and for `tasks/list`: a server may list tasks of all whom it cannot tell apart.

pub(super) mod book;
mod carry;
pub(super) mod follow;
mod label;
mod list;
