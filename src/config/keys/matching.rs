//! `match` of a limit: a pattern for each of several things.

use crate::config::{
    shape::section,
    shapes::{Block, Glob},
};

section! {
    /// A pattern for each of the things that calls are told apart by.
    MatchKeys {
        /// A block of addresses, such as `10.0.0.0/8`.
        address "address": Block,
        /// A pattern over principals.
        principal "principal": Glob,
        /// A pattern over groups; one of the caller's has to match.
        group "group": Glob,
        /// A pattern over paths of endpoints.
        endpoint "endpoint": Glob,
        /// A pattern over servers.
        server "server": Glob,
        /// A pattern over tools, by the names that clients use.
        tool "tool": Glob,
    }
}
