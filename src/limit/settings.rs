//! The operator's limits.

use std::{num::NonZeroU32, time::Duration};

use crate::mcp::Per;

/// All limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// In the order in which they are asked.
    pub rules: Vec<RuleSettings>,
    /// Names that each of them tells apart, at the most.
    pub max_keys: usize,
}

/// One limit. Each name that it matches has its own count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSettings {
    /// What is counted apart.
    pub per: Per,
    /// A glob over its names; all of them when absent.
    pub pattern: Option<String>,
    /// How often.
    pub rate: Option<Rate>,
    /// How many at once.
    pub concurrency: Option<NonZeroU32>,
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
