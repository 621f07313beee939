//! How often and how much: a number and the time that it is said over.

use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::text::REFERENCE_PATTERN;
use crate::{
    config::{
        place::Place,
        problem::ProblemKind,
        shape::{Reader, Shape},
        tree::Node,
    },
    limit::settings::{Pace, Quota, Window},
    mcp::Calendar,
};

/// A microsecond apart: nothing here is faster.
const MOST: u32 = 1_000_000;

const WINDOWS: [(&str, Window); 3] = [("s", Window::Second), ("m", Window::Minute), ("h", Window::Hour)];

/// A thousand calls a second for a year, and what Redis' scripts count exactly.
const MOST_OF_A_QUOTA: u64 = 1_000_000_000_000;

const CALENDARS: [(&str, Calendar); 2] = [("day", Calendar::Day), ("month", Calendar::Month)];

/// So many a second, a minute or an hour.
pub(in crate::config) enum PaceWord {}

impl Shape for PaceWord {
    type Value = Pace;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Pace> {
        const WANTED: &str = "a rate such as 100/s, 30/m or 1000/h";
        let text = reader.text(node, place, WANTED)?;
        let pace = parse(&text);
        match pace {
            None => reader.unexpected(node, place, WANTED),
            Some(pace) if pace.count.get() > MOST => {
                reader.report(place, ProblemKind::TooGreat { most: format!("{MOST} in its time") });
                return None;
            }
            Some(_) => {}
        }
        pace
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": format!("^[1-9][0-9]*/[smh]$|{REFERENCE_PATTERN}") })
    }

    fn show(value: &Pace) -> Json {
        let unit = WINDOWS.iter().find(|(_, window)| *window == value.window).map_or("s", |(unit, _)| unit);
        format!("{}/{unit}", value.count).into()
    }
}

/// So many a day or a month.
pub(in crate::config) enum QuotaWord {}

impl Shape for QuotaWord {
    type Value = Quota;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<Quota> {
        const WANTED: &str = "a quota such as 10000/day or 500000/month";
        let text = reader.text(node, place, WANTED)?;
        let quota = split(&text, &CALENDARS).map(|(most, unit)| Quota { most, unit });
        match quota {
            None => reader.unexpected(node, place, WANTED),
            Some(quota) if quota.most.get() > MOST_OF_A_QUOTA => {
                reader.report(place, ProblemKind::TooGreat { most: format!("{MOST_OF_A_QUOTA} in its time") });
                return None;
            }
            Some(_) => {}
        }
        quota
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": format!("^[1-9][0-9]*/(day|month)$|{REFERENCE_PATTERN}") })
    }

    fn show(value: &Quota) -> Json {
        format!("{}/{}", value.most, value.unit.name()).into()
    }
}

fn parse(text: &str) -> Option<Pace> {
    let (count, window) = split(text, &WINDOWS)?;
    Some(Pace { count, window })
}

/// A number, and what it is said over.
fn split<N: FromStr, U: Copy>(text: &str, units: &[(&str, U)]) -> Option<(N, U)> {
    let (count, unit) = text.split_once('/')?;
    let (_, unit) = units.iter().find(|(name, _)| *name == unit)?;
    if !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((count.parse().ok()?, *unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_and_its_time() {
        for text in ["100/s", "30/m", "1/h"] {
            assert_eq!(PaceWord::show(&parse(text).unwrap()), json!(text));
        }
        let quota = |text| split(text, &CALENDARS).map(|(most, unit)| QuotaWord::show(&Quota { most, unit }));
        for text in ["10000/day", "1/month"] {
            assert_eq!(quota(text), Some(json!(text)));
        }
        for text in ["", "100", "0/day", "+1/day", "1/d", "1/days"] {
            assert_eq!(quota(text), None, "{text}");
        }
        for text in ["", "100", "0/s", "-1/s", "+1/s", "1/d", "1 /s", "/s", "1/s/s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
