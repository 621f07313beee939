//! `limits`: each whole in itself.

use std::num::NonZeroU32;

use super::found::section;
use crate::{
    config::{
        keys::{FileKeys, LimitKeys},
        place::Found,
        problem::ProblemKind,
        shape::Reader,
    },
    limit::settings::{LimitSettings, Rate, RuleSettings},
};

pub(super) fn settings(keys: &FileKeys, reader: &mut Reader<'_>) -> LimitSettings {
    let rules = section(keys.limits.clone());
    LimitSettings {
        rules: rules.iter().filter_map(|found| rule(found, reader)).collect(),
        max_keys: section(keys.limit_table.clone()).max_keys(),
    }
}

fn rule(found: &Found<LimitKeys>, reader: &mut Reader<'_>) -> Option<RuleSettings> {
    let Found { value: keys, place } = found;
    if keys.per.is_none() && !reader.reported(place, "per") {
        reader.report(place, ProblemKind::Incomplete { needed: "per" });
    }
    let is_rate_wrong = reader.reported(place, "rate");
    if let (Some(burst), None, false) = (&keys.burst, &keys.rate, is_rate_wrong) {
        reader.report(&burst.place, ProblemKind::OfTheOtherWire { beside: "rate" });
    } else if keys.rate.is_none()
        && keys.concurrency.is_none()
        && !is_rate_wrong
        && !reader.reported(place, "concurrency")
    {
        reader.report(place, ProblemKind::Incomplete { needed: "rate" });
    }
    let rate = keys.rate.as_ref().map(|found| {
        let burst = keys.burst.as_ref().and_then(|burst| number(burst.value));
        Rate { pace: found.value, burst: burst.unwrap_or_else(|| found.value.in_a_second()) }
    });
    Some(RuleSettings {
        per: keys.per.as_ref()?.value,
        pattern: keys.pattern.as_ref().map(|found| found.value.clone()),
        rate,
        concurrency: keys.concurrency.as_ref().and_then(|most| number(most.value)),
    })
}

/// The shape has bounded it.
fn number(count: usize) -> Option<NonZeroU32> {
    u32::try_from(count).ok().and_then(NonZeroU32::new)
}
