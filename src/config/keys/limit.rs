//! `limits`: how often and how much at once.

use crate::{
    config::{
        defaults,
        shape::section,
        shapes::{Choice, Count, Glob, PaceWord},
    },
    mcp::Per,
};

section! {
    /// One limit: `rate`, `concurrency`, or both. Each name has its own count.
    LimitKeys {
        /// What is counted apart: each `principal`, `group`, `endpoint` (its path), `server`, or `tool` (by the name that clients use).
        per "per": Choice<Per>,
        /// A pattern over those names; all of them when absent.
        pattern "match": Glob,
        /// How often, such as `100/s`, `30/m` or `1000/h`.
        rate "rate": PaceWord,
        /// How many in one go, after a pause; what `rate` allows in a second, and at least 1, when absent.
        burst "burst": Count<1, 1_000_000>,
        /// How many at once.
        concurrency "concurrency": Count<1, 1_000_000>,
    }
}

section! {
    /// How much `limits` remember.
    LimitTableKeys {
        /// Names that each limit tells apart at the most; beyond them, new names share one count.
        max_keys "maxKeys": Count = defaults::MAX_LIMIT_KEYS,
    }
}
