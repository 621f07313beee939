//! `policies` and `policy`: rules, each whole in itself and checked as far as one can without a call.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    endpoint,
    found::{section, values},
    server::Listed,
};
use crate::{
    config::{
        keys::{FileKeys, RuleKeys},
        place::{Found, Place},
        problem::{ProblemKind, Remark},
        shape::Reader,
    },
    policy::{
        self,
        settings::{Effect, Mode, PolicySettings, RuleSettings, TargetSettings},
    },
    route::settings::EndpointSettings,
};

/// Methods that are about something which another method uses, and that one.
const FOLLOWING: [(&str, &str); 11] = [
    ("tools/list", "tools/call"),
    ("tasks/get", "tools/call"),
    ("tasks/update", "tools/call"),
    ("tasks/cancel", "tools/call"),
    ("tasks/result", "tools/call"),
    ("tasks/list", "tools/call"),
    ("prompts/list", "prompts/get"),
    ("resources/list", "resources/read"),
    ("resources/templates/list", "resources/read"),
    ("resources/subscribe", "resources/read"),
    ("completion/complete", "prompts/get"),
];

type Patterns = Option<Found<Vec<Found<String>>>>;

pub(super) fn settings(
    keys: &FileKeys,
    servers: &[Listed<'_>],
    endpoints: &[EndpointSettings],
    reader: &mut Reader<'_>,
) -> PolicySettings {
    let written = section(keys.policies.clone());
    let own = section(keys.policy.clone());
    report_twice(&written, reader);
    let mut rules = Vec::with_capacity(written.len());
    for found in &written {
        check_targets(&found.value, servers, endpoints, reader);
        rules.extend(rule(found, reader));
    }
    let allows = |rule: &RuleSettings| rule.effect == Effect::Allow && rule.mode == Mode::Enforce;
    let denies = rules.iter().any(|rule| rule.mode == Mode::Enforce);
    if let (Some(policies), true, Mode::Enforce) = (&keys.policies, denies && !rules.iter().any(allows), own.mode()) {
        reader.note(&policies.place, Remark::NothingAllowed);
    }
    let scopes = section(own.scopes.clone()).into_iter();
    let within = |(broad, included): (String, Found<Vec<Found<String>>>)| {
        (broad, included.value.into_iter().map(|scope| scope.value).collect())
    };
    PolicySettings {
        rules,
        mode: own.mode(),
        scopes: scopes.map(within).collect::<BTreeMap<String, Vec<String>>>(),
        max_arguments_bytes: own.max_arguments(),
        max_remembered: own.max_remembered(),
    }
}

fn rule(found: &Found<RuleKeys>, reader: &mut Reader<'_>) -> Option<RuleSettings> {
    let Found { value: keys, place } = found;
    let (effect, condition) = match (&keys.allow, &keys.deny) {
        (Some(allow), None) => (Effect::Allow, allow),
        (None, Some(deny)) => (Effect::Deny, deny),
        (Some(_), Some(deny)) => {
            reader.report(&deny.place, ProblemKind::AllowAndDeny);
            return None;
        }
        (None, None) if reader.reported(place, "allow") || reader.reported(place, "deny") => return None,
        (None, None) => {
            reader.report(place, ProblemKind::Incomplete { needed: "allow" });
            return None;
        }
    };
    if let (Effect::Deny, Some(scopes)) = (effect, &keys.scopes) {
        reader.report(&scopes.place, ProblemKind::OfTheOtherWire { beside: "allow" });
    }
    let rule = RuleSettings {
        effect,
        condition: condition.value.clone(),
        name: keys.name.as_ref().map(|name| name.value.clone()),
        mode: keys.mode(),
        targets: TargetSettings {
            methods: patterns(&keys.methods),
            servers: patterns(&keys.servers),
            endpoints: patterns(&keys.endpoints),
            tools: patterns(&keys.tools),
            prompts: patterns(&keys.prompts),
            resources: patterns(&keys.resources),
        },
        scopes: values(keys.scopes.clone()),
    };
    let faults = policy::faults(&rule);
    for fault in &faults {
        reader.report(&condition.place, ProblemKind::Condition(fault.clone()));
    }
    faults.is_empty().then_some(rule)
}

fn patterns(written: &Patterns) -> Option<Vec<String>> {
    written.clone().map(|found| values(Some(found)))
}

/// What names nothing is a mistake: a rule about nothing protects nothing.
fn check_targets(keys: &RuleKeys, servers: &[Listed<'_>], endpoints: &[EndpointSettings], reader: &mut Reader<'_>) {
    let lists = [&keys.methods, &keys.servers, &keys.endpoints, &keys.tools, &keys.prompts, &keys.resources];
    // What was wrong with an element is reported already.
    let is_broken = |place: &Place, reader: &Reader<'_>| {
        let within = format!("{}[", place.path);
        reader.problems.iter().any(|problem| problem.place.path.starts_with(&within))
    };
    for empty in lists.into_iter().flatten().filter(|list| list.value.is_empty()) {
        if is_broken(&empty.place, reader) {
            continue;
        }
        reader.report(&empty.place, ProblemKind::EmptyList);
    }
    for pattern in keys.servers.iter().flat_map(|list| &list.value) {
        endpoint::check_pattern(pattern, servers, reader);
    }
    for pattern in keys.endpoints.iter().flat_map(|list| &list.value) {
        let matcher = globset::Glob::new(&pattern.value).map(|glob| glob.compile_matcher());
        if !matcher.is_ok_and(|matcher| endpoints.iter().any(|endpoint| matcher.is_match(&endpoint.path))) {
            let pattern_is = reader.quoted(&pattern.value, &pattern.place);
            reader.report(&pattern.place, ProblemKind::MatchesNoEndpoint { pattern: pattern_is });
        }
    }
    for method in keys.methods.iter().flat_map(|list| &list.value) {
        if let Some((_, followed)) = FOLLOWING.iter().find(|(following, _)| *following == method.value) {
            reader.report(&method.place, ProblemKind::FollowsMethod { followed });
        }
    }
}

fn report_twice(rules: &[Found<RuleKeys>], reader: &mut Reader<'_>) {
    let mut seen = BTreeSet::new();
    let twice: Vec<Place> = rules
        .iter()
        .filter_map(|rule| rule.value.name.as_ref())
        .filter(|name| !seen.insert(name.value.clone()))
        .map(|name| name.place.clone())
        .collect();
    for place in twice {
        reader.report(&place, ProblemKind::RuleNameTwice);
    }
}
