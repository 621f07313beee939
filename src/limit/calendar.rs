//! Days and months (UTC), over which quotas count.

use std::time::Duration;

use crate::{clock, mcp::Calendar};

const DAY: u64 = 86_400;

/// One day or month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// When it began, in seconds since 1970.
    pub(super) start: u64,
    /// How long it is, in seconds.
    pub(super) length: u64,
}

impl Page {
    /// The one that a time is in.
    pub(super) const fn of(unit: Calendar, now: Duration) -> Self {
        let today = now.as_secs() / DAY;
        match unit {
            Calendar::Day => Self { start: today * DAY, length: DAY },
            Calendar::Month => {
                let (year, month, day) = clock::date(today);
                Self { start: (today + 1 - day) * DAY, length: clock::days_in(year, month) * DAY }
            }
        }
    }

    /// When the next one begins, since 1970.
    pub(super) const fn end(self) -> Duration {
        Duration::from_secs(self.start + self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_begin_at_midnight_utc() {
        let at = |unit, seconds| {
            let page = Page::of(unit, Duration::from_secs(seconds));
            (page.start, page.end().as_secs())
        };
        let day = 951_782_400; // 2000-02-29
        assert_eq!(at(Calendar::Day, day - 1), (day - DAY, day));
        assert_eq!(at(Calendar::Day, day), (day, day + DAY));
        let (february, march) = (949_363_200, 951_868_800);
        assert_eq!(at(Calendar::Month, day), (february, march));
        assert_eq!(at(Calendar::Month, march - 1), (february, march));
        assert_eq!(at(Calendar::Month, march), (march, march + 31 * DAY));
        // 2026-12-31T23:59:59 and the year after.
        assert_eq!(at(Calendar::Month, 1_798_761_599).1, 1_798_761_600);
        assert_eq!(at(Calendar::Month, 1_798_761_600).0, 1_798_761_600);
    }
}
