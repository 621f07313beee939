//! The operator's limits.

use std::{
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

use crate::{
    mcp::{Calendar, Per},
    network::Network,
    redact::Redacted,
};

/// All limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// In the order in which they are asked.
    pub rules: Vec<RuleSettings>,
    /// Names that each of them tells apart, at the most.
    pub max_keys: usize,
}

/// A Redis that several gateways share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// Its address, with its password.
    pub url: Redacted<String>,
    /// PEM file of the authority to trust instead of the machine's.
    pub ca: Option<PathBuf>,
    /// What the names of its keys begin with: the gateways that have the same share counts.
    pub prefix: String,
    /// How long a call waits for it at the most.
    pub timeout: Duration,
    /// How many gateways divide limits among them while it is away; as many as were there last, when absent.
    pub replicas: Option<NonZeroU32>,
}

/// One limit. Each name, or tuple of names, has its own count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSettings {
    /// What is counted apart, each at most once.
    pub per: Vec<Per>,
    /// Which calls it concerns: those that match all of them.
    pub matches: Vec<Match>,
    /// How often.
    pub rate: Option<Rate>,
    /// How many at once.
    pub concurrency: Option<NonZeroU32>,
    /// How many in a day or month.
    pub quota: Option<Quota>,
    /// Who waits instead of being refused.
    pub queue: Option<QueueSettings>,
}

/// What something must look like for a limit to concern it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// What is looked at.
    pub per: Per,
    /// What it must look like.
    pub pattern: Pattern,
}

/// What a name or address must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// A glob over names.
    Glob(String),
    /// A block of addresses.
    Network(Network),
}

/// How many in a day or month of the calendar (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub most: NonZeroU64,
    /// In which time.
    pub unit: Calendar,
}

/// A queue before a limit: one for each name that it tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// How many wait at the most; one more is refused.
    pub max: usize,
    /// How long each waits at the most; then it is refused.
    pub wait: Duration,
}

/// How often, and how much of that in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How often.
    pub pace: Pace,
    /// How many in one go, after a pause.
    pub burst: NonZeroU32,
}

/// So many in so long a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How many.
    pub count: NonZeroU32,
    /// In how long a time.
    pub window: Window,
}

/// The time that a pace is said over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// `/s`
    Second,
    /// `/m`
    Minute,
    /// `/h`
    Hour,
}

impl Window {
    /// How long it is.
    pub const fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        })
    }
}

impl Pace {
    /// The time between two.
    pub fn interval(self) -> Duration {
        self.window.length() / self.count.get()
    }

    /// What comes together in a second, and one at the least.
    pub fn in_a_second(self) -> NonZeroU32 {
        let seconds = match self.window {
            Window::Second => 1,
            Window::Minute => 60,
            Window::Hour => 3600,
        };
        NonZeroU32::new(self.count.get() / seconds).unwrap_or(NonZeroU32::MIN)
    }
}
