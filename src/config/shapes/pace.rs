//! How often: a number and the time that it is said over.

use std::num::NonZeroU32;

use serde_json::{Value as Json, json};

use super::text::REFERENCE_PATTERN;
use crate::{
    config::{
        place::Place,
        problem::ProblemKind,
        shape::{Reader, Shape},
        tree::Node,
    },
    limit::settings::{Pace, Window},
};

/// A microsecond apart: nothing here is faster.
const MOST: u32 = 1_000_000;

const WINDOWS: [(&str, Window); 3] = [("s", Window::Second), ("m", Window::Minute), ("h", Window::Hour)];

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

fn parse(text: &str) -> Option<Pace> {
    let (count, unit) = text.split_once('/')?;
    let (_, window) = WINDOWS.iter().find(|(name, _)| *name == unit)?;
    if !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: NonZeroU32 = count.parse().ok()?;
    Some(Pace { count, window: *window })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_and_its_time() {
        for text in ["100/s", "30/m", "1/h"] {
            assert_eq!(PaceWord::show(&parse(text).unwrap()), json!(text));
        }
        for text in ["", "100", "0/s", "-1/s", "+1/s", "1/d", "1 /s", "/s", "1/s/s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
