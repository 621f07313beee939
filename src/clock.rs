//! The one source of time.
//!
//! Everything else takes an [`Instant`] or asks here, so that what depends on time can be tested with a time of its own.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A monotonic moment.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, for what leaves the process (expiry inside sealed tokens).
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// When what lives so long from now on has ended, in whole seconds since 1970: not a moment before.
pub fn expiry(lifetime: Duration) -> u64 {
    whole(unix_time().saturating_add(lifetime))
}

/// The first whole second that is no earlier.
const fn whole(moment: Duration) -> u64 {
    moment.as_secs().saturating_add(if moment.subsec_nanos() > 0 { 1 } else { 0 })
}

/// Year, month and day (UTC) of a day counted from 1970-01-01.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub const fn date(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(719_468);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

/// A moment, in seconds since 1970, as RFC 3339 writes it: in UTC.
pub fn moment(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days in a month of the calendar.
pub const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_for_a_second_has_not_ended_within_it() {
        let end = |since: f64, lifetime: f64| whole(Duration::from_secs_f64(since) + Duration::from_secs_f64(lifetime));
        assert_eq!(end(50.75, 1.0), 52);
        assert_eq!(end(50.0, 1.0), 51);
        assert_eq!(end(50.75, 0.25), 51);
    }
}
