//! `limits`: how often and how much at once.

use crate::{
    config::{
        defaults,
        shape::section,
        shapes::{Choice, Count, Matching, OneOrMany, PaceWord, QuotaWord, Time},
    },
    mcp::Per,
};

section! {
    /// One limit: `rate`, `concurrency`, `quota`, or several of these. Each name has its own count, and so has each tuple of names when
    /// several things are counted apart.
    LimitKeys {
        /// What is counted apart: each `address` of clients, `principal`, `group`, `endpoint` (its path), `server`, or `tool` (by the
        /// name that clients use); or a list of these, each combination.
        per "per": OneOrMany<Choice<Per>>,
        /// Which calls are meant: a pattern over the names that are counted apart, or a mapping from any of the words of `per` to a
        /// pattern; all calls when absent. Addresses are matched by a block such as `10.0.0.0/8`.
        matching "match": Matching,
        /// How often, such as `100/s`, `30/m` or `1000/h`.
        rate "rate": PaceWord,
        /// How many in one go, after a pause; what `rate` allows in a second, and at least 1, when absent.
        burst "burst": Count<1, 1_000_000>,
        /// How many at once.
        concurrency "concurrency": Count<1, 1_000_000>,
        /// How many in a day or month (UTC), such as `10000/day` or `500000/month`.
        quota "quota": QuotaWord,
        /// Calls wait here for `rate` and `concurrency` instead of being refused.
        queue "queue": QueueKeys,
    }
}

section! {
    /// A queue before a limit: one for each name. Principals take turns in it.
    QueueKeys {
        /// How many wait at the most; one more is refused.
        max "max": Count<1, 100_000> = defaults::LIMIT_QUEUE,
        /// How long each waits at the most; then it is refused.
        wait "wait": Time = defaults::LIMIT_WAIT,
    }
}

section! {
    /// How much `limits` remember.
    LimitTableKeys {
        /// Names that each limit tells apart at the most; beyond them, new names share one count.
        max_keys "maxKeys": Count = defaults::MAX_LIMIT_KEYS,
    }
}
