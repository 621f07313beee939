//! `limits`: each whole in itself.

use std::num::NonZeroU32;

use super::found::section;
use crate::{
    config::{
        keys::{FileKeys, LimitKeys, MatchKeys, RedisKeys},
        place::{Found, Place},
        problem::ProblemKind,
        shape::Reader,
        shapes::Matched,
    },
    limit::{
        redis,
        settings::{LimitSettings, Match, Pattern, QueueSettings, Rate, RedisSettings, RuleSettings},
    },
    mcp::Per,
};

pub(super) fn settings(keys: &FileKeys, reader: &mut Reader<'_>) -> LimitSettings {
    let rules = section(keys.limits.clone());
    LimitSettings {
        rules: rules.iter().filter_map(|found| rule(found, reader)).collect(),
        max_keys: section(keys.limit_table.clone()).max_keys(),
    }
}

/// Where limits are counted together.
pub(super) fn redis(keys: Option<&Found<RedisKeys>>, reader: &mut Reader<'_>) -> Option<RedisSettings> {
    let Found { value: keys, place } = keys?;
    let Some(url) = &keys.url else {
        if !reader.reported(place, "url") {
            reader.report(place, ProblemKind::Incomplete { needed: "url" });
        }
        return None;
    };
    if let Err(bad) = redis::check(url.value.expose()) {
        reader.report(&url.place, bad.into());
    }
    Some(RedisSettings {
        url: url.value.clone(),
        ca: keys.ca.as_ref().map(|found| found.value.clone()),
        prefix: keys.prefix(),
        timeout: keys.timeout(),
        replicas: keys.replicas.as_ref().and_then(|count| number(count.value)),
    })
}

fn rule(found: &Found<LimitKeys>, reader: &mut Reader<'_>) -> Option<RuleSettings> {
    let Found { value: keys, place } = found;
    check_measures(keys, place, reader);
    let per = per(keys, place, reader)?;
    let rate = keys.rate.as_ref().map(|found| {
        let burst = keys.burst.as_ref().and_then(|burst| number(burst.value));
        Rate { pace: found.value, burst: burst.unwrap_or_else(|| found.value.in_a_second()) }
    });
    let queue = keys.queue.as_ref().map(|found| &found.value);
    Some(RuleSettings {
        matches: matches(keys, &per, reader),
        per,
        rate,
        concurrency: keys.concurrency.as_ref().and_then(|most| number(most.value)),
        quota: keys.quota.as_ref().map(|found| found.value),
        queue: queue.map(|queue| QueueSettings { max: queue.max(), wait: queue.wait() }),
    })
}

/// Something has to be measured, and what belongs to a measure needs it.
fn check_measures(keys: &LimitKeys, place: &Place, reader: &mut Reader<'_>) {
    let is_wrong = |reader: &Reader<'_>, key| reader.reported(place, key);
    let is_rate_wrong = is_wrong(reader, "rate");
    let has_flow = keys.rate.is_some() || keys.concurrency.is_some();
    let is_flow_wrong = is_rate_wrong || is_wrong(reader, "concurrency");
    if let (Some(burst), None, false) = (&keys.burst, &keys.rate, is_rate_wrong) {
        reader.report(&burst.place, ProblemKind::OfTheOtherWire { beside: "rate" });
    } else if !has_flow && keys.quota.is_none() && !is_flow_wrong && !is_wrong(reader, "quota") {
        reader.report(place, ProblemKind::Incomplete { needed: "rate" });
    }
    if let (Some(queue), false, false) = (&keys.queue, has_flow, is_flow_wrong) {
        reader.report(&queue.place, ProblemKind::OfTheOtherWire { beside: "rate" });
    }
}

fn per(keys: &LimitKeys, place: &Place, reader: &mut Reader<'_>) -> Option<Vec<Per>> {
    let listed = keys.per.as_ref().map_or(&[][..], |found| &found.value);
    if listed.is_empty() {
        let has_problem =
            reader.problems.iter().any(|problem| problem.place.path.starts_with(&format!("{}.per", place.path)));
        if !has_problem {
            reader.report(place, ProblemKind::Incomplete { needed: "per" });
        }
        return None;
    }
    let mut per = Vec::with_capacity(listed.len());
    for found in listed {
        if per.contains(&found.value) {
            reader.report(&found.place, ProblemKind::Twice);
        } else {
            per.push(found.value);
        }
    }
    Some(per)
}

fn matches(keys: &LimitKeys, per: &[Per], reader: &mut Reader<'_>) -> Vec<Match> {
    let Some(Found { value, place }) = &keys.matching else { return Vec::new() };
    match (value, per) {
        (Matched::One(text), [only]) => only_match(*only, text, place, reader).into_iter().collect(),
        (Matched::One(_), _) => {
            reader.report(place, ProblemKind::WhichIsMeant);
            Vec::new()
        }
        (Matched::Each(keys), _) => each(keys),
    }
}

fn only_match(per: Per, text: &str, place: &Place, reader: &mut Reader<'_>) -> Option<Match> {
    let pattern = match per {
        Per::Address => text.parse().map(Pattern::Network).map_err(|_| ProblemKind::Expected {
            wanted: "a block of addresses such as 10.0.0.0/8 or fd00::/8",
            got: reader.quoted(text, place),
        }),
        _ => match globset::Glob::new(text) {
            Ok(_) => Ok(Pattern::Glob(text.to_owned())),
            Err(error) => Err(ProblemKind::BadGlob(error.kind().clone())),
        },
    };
    match pattern {
        Ok(pattern) => Some(Match { per, pattern }),
        Err(problem) => {
            reader.report(place, problem);
            None
        }
    }
}

fn each(keys: &MatchKeys) -> Vec<Match> {
    let globs = [
        (Per::Principal, &keys.principal),
        (Per::Group, &keys.group),
        (Per::Endpoint, &keys.endpoint),
        (Per::Server, &keys.server),
        (Per::Tool, &keys.tool),
    ];
    let address =
        keys.address.as_ref().map(|found| Match { per: Per::Address, pattern: Pattern::Network(found.value) });
    let glob = |(per, found): (Per, &Option<Found<String>>)| {
        found.as_ref().map(|found| Match { per, pattern: Pattern::Glob(found.value.clone()) })
    };
    address.into_iter().chain(globs.into_iter().filter_map(glob)).collect()
}

/// The shape has bounded it.
fn number(count: usize) -> Option<NonZeroU32> {
    u32::try_from(count).ok().and_then(NonZeroU32::new)
}
