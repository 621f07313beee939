//! Durations, sizes and counts, each with its bounds.
//!
//! Every quantity has an upper bound too: a semaphore, a timer or an allocation downstream would otherwise find it.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::text::REFERENCE_PATTERN;
use crate::config::{
    place::Place,
    problem::ProblemKind,
    shape::{Reader, Shape},
    tree::Node,
};

/// Thirty days: far beyond every use, and far from every overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// One gibibyte: what a message may be at the most.
const MOST_BYTES: u64 = 1 << 30;

const DURATION_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
const BYTE_UNITS: [(&str, u64); 6] =
    [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1000), ("MB", 1_000_000), ("B", 1)];

/// A duration of at least `LEAST_MS` milliseconds.
pub(in crate::config) enum Time<const LEAST_MS: u64 = 1> {}

impl<const LEAST_MS: u64> Shape for Time<LEAST_MS> {
    type Value = Duration;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Duration> {
        const WANTED: &str = "a duration such as 500ms, 30s, 10m or 2h";
        let Some(ms) = parse_with_unit(&reader.text(node, place, WANTED)?, &DURATION_UNITS) else {
            reader.unexpected(node, place, WANTED);
            return None;
        };
        duration(ms, LEAST_MS, place, reader)
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": format!(r"^[0-9]+(ms|s|m|h)$|{REFERENCE_PATTERN}") })
    }

    fn show(value: &Duration) -> Json {
        written_duration(*value).into()
    }
}

/// A call's time-out: a duration, or whole milliseconds as some clients write it.
pub(in crate::config) enum CallTime {}

impl Shape for CallTime {
    type Value = Duration;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Duration> {
        match node.scalar().and_then(|text| text.parse().ok()) {
            Some(ms) => duration(ms, 1, place, reader),
            None => Time::<1>::read(node, place, reader),
        }
    }

    fn schema() -> Json {
        let mut schema = Time::<1>::schema();
        if let Some(members) = schema.as_object_mut() {
            members.insert("type".to_owned(), json!(["string", "integer"]));
            members.insert("minimum".to_owned(), json!(1));
        }
        schema
    }

    fn show(value: &Duration) -> Json {
        Time::<1>::show(value)
    }
}

/// A day, as seconds from 1970 to its beginning (UTC).
pub(in crate::config) enum Date {}

impl Shape for Date {
    type Value = u64;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<u64> {
        const WANTED: &str = "a day such as 2027-01-31";
        let seconds = day(&reader.text(node, place, WANTED)?);
        if seconds.is_none() {
            reader.unexpected(node, place, WANTED);
        }
        seconds
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": format!("^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$|{REFERENCE_PATTERN}") })
    }

    fn show(value: &u64) -> Json {
        (*value).into()
    }
}

/// Days are counted from a March, so that a leap day is the last of its year.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn day(text: &str) -> Option<u64> {
    let mut parts = text.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_a_day = text.len() == 10 && year >= 1970 && (1..=12).contains(&month) && (1..=longest).contains(&day);
    if !is_a_day || parts.next().is_some() {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    // Days from the first of March of year 0 to 1970.
    Some((days - 719_468) * 86_400)
}

/// A size in bytes between two bounds, which are inclusive.
pub(in crate::config) enum Bytes<const LEAST: u64 = 1, const MOST: u64 = MOST_BYTES> {}

impl<const LEAST: u64, const MOST: u64> Shape for Bytes<LEAST, MOST> {
    type Value = usize;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<usize> {
        const WANTED: &str = "a size such as 64KiB, 4MiB or a number of bytes";
        let text = reader.text(node, place, WANTED)?;
        let Some(bytes) = text.parse().ok().or_else(|| parse_with_unit(&text, &BYTE_UNITS)) else {
            reader.unexpected(node, place, WANTED);
            return None;
        };
        bounded(bytes, (LEAST, MOST), place, reader)
    }

    fn schema() -> Json {
        json!({
            "type": ["string", "integer"],
            "minimum": LEAST,
            "maximum": MOST,
            "pattern": format!(r"^[0-9]+(KiB|MiB|GiB|kB|MB|B)?$|{REFERENCE_PATTERN}"),
        })
    }

    fn show(value: &usize) -> Json {
        [("MiB", 1 << 20), ("KiB", 1 << 10)]
            .into_iter()
            .find(|(_, size)| *value > 0 && value.is_multiple_of(*size))
            .map_or_else(|| json!(value), |(unit, size)| format!("{}{unit}", value / size).into())
    }
}

/// A whole number between two bounds, which are inclusive.
pub(in crate::config) enum Count<const LEAST: u64 = 1, const MOST: u64 = 10_000_000> {}

impl<const LEAST: u64, const MOST: u64> Shape for Count<LEAST, MOST> {
    type Value = usize;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<usize> {
        const WANTED: &str = "a whole number";
        let Ok(number) = reader.text(node, place, WANTED)?.parse() else {
            reader.unexpected(node, place, WANTED);
            return None;
        };
        bounded(number, (LEAST, MOST), place, reader)
    }

    fn schema() -> Json {
        json!({ "type": ["integer", "string"], "minimum": LEAST, "maximum": MOST, "pattern": format!("^[0-9]+$|{REFERENCE_PATTERN}") })
    }

    fn show(value: &usize) -> Json {
        json!(value)
    }
}

/// A duration as one writes it, in the largest unit that it is a whole number of.
pub(in crate::config) fn written_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    let whole = |(_, size): &&(&str, u64)| ms != 0 && ms.is_multiple_of(u128::from(*size));
    match DURATION_UNITS.iter().rev().find(whole) {
        Some((unit, size)) => format!("{}{unit}", ms / u128::from(*size)),
        None => "0s".to_owned(),
    }
}

/// `number` directly followed by one of `units`, in the smallest unit. A number too large to hold is the largest that can be, and
/// is refused by its bound.
fn parse_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    if number.is_empty() {
        return None;
    }
    Some(number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*size))
}

fn duration(ms: u64, least_ms: u64, place: &Place, reader: &mut Reader<'_>) -> Option<Duration> {
    let (duration, least) = (Duration::from_millis(ms), Duration::from_millis(least_ms));
    if duration < least {
        reader.report(place, ProblemKind::TooSmall { least: written_duration(least) });
    } else if duration > LONGEST {
        reader.report(place, ProblemKind::TooGreat { most: written_duration(LONGEST) });
    } else {
        return Some(duration);
    }
    None
}

fn bounded(number: u64, (least, most): (u64, u64), place: &Place, reader: &mut Reader<'_>) -> Option<usize> {
    if number < least {
        reader.report(place, ProblemKind::TooSmall { least: least.to_string() });
    } else if number > most {
        reader.report(place, ProblemKind::TooGreat { most: most.to_string() });
    } else {
        return usize::try_from(number).ok();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("2h", 7_200_000), ("0s", 0)] {
            assert_eq!(parse_with_unit(text, &DURATION_UNITS), Some(ms), "{text}");
        }
        for text in ["", "30", "s", "1.5s", "-1s", "1 s", "1S", "1h30m"] {
            assert_eq!(parse_with_unit(text, &DURATION_UNITS), None, "{text}");
        }
        assert_eq!(parse_with_unit("99999999999999999999h", &DURATION_UNITS), Some(u64::MAX));
    }

    #[test]
    fn a_written_duration_reads_back() {
        for text in ["500ms", "30s", "10m", "2h", "90s", "0s"] {
            let ms = parse_with_unit(text, &DURATION_UNITS).unwrap();
            assert_eq!(written_duration(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn sizes_are_shown_in_the_unit_that_fits() {
        assert_eq!(Bytes::<1>::show(&(4 << 20)), json!("4MiB"));
        assert_eq!(Bytes::<1>::show(&(32 << 10)), json!("32KiB"));
        assert_eq!(Bytes::<1>::show(&1000), json!(1000));
    }

    #[test]
    fn a_day_is_the_seconds_to_its_beginning() {
        assert_eq!(day("1970-01-01"), Some(0));
        assert_eq!(day("2000-02-29"), Some(951_782_400));
        assert_eq!(day("2027-01-31"), Some(1_801_353_600));
        for text in ["2027-02-29", "2027-13-01", "2027-1-1", "2027-01-01-01", "1969-12-31", "tomorrow"] {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
