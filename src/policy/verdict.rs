//! From what each rule says to what holds.
//!
//! Deny wins over allow, and what no rule allows is denied. Each rule says yes, no, or that it cannot tell yet; so does the whole.

use crate::mcp::{Principal, PrincipalKind};

use super::{
    rule::Rule,
    scopes::Scopes,
    settings::{Effect, Mode},
    truth::Truth,
};

/// What the rules say together, and which of them said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be done; without a rule because none is in force.
    Allowed(Option<usize>),
    /// It may be done by a token with the scopes of this rule.
    ScopeNeeded(usize),
    /// It may not be done; without a rule because none allows it.
    Denied(Option<usize>),
    /// That depends on what is not known yet.
    Open,
}

/// Which rules count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counting {
    /// Those in force.
    InForce,
    /// Those in shadow, too.
    All,
}

/// What the rules say together. `truths` are in the order of `rules`.
pub(super) fn fold(
    rules: &[Rule],
    truths: &[Truth],
    counting: Counting,
    scopes: &Scopes,
    principal: &Principal,
) -> Verdict {
    let counted = || {
        let counts = move |rule: &Rule| counting == Counting::All || rule.mode == Mode::Enforce;
        rules.iter().zip(truths).enumerate().filter(move |(_, (rule, _))| counts(rule))
    };
    let mut is_open = false;
    for (place, (_, truth)) in counted().filter(|(_, (rule, _))| rule.effect == Effect::Deny) {
        match truth {
            // A rule that fails denies: what it was to keep away must not come in because it broke.
            Truth::Yes | Truth::Failed => return Verdict::Denied(Some(place)),
            Truth::Open => is_open = true,
            Truth::No => (),
        }
    }
    let mut step_up = None;
    let mut may_allow = false;
    for (place, (rule, truth)) in counted().filter(|(_, (rule, _))| rule.effect == Effect::Allow) {
        match truth {
            Truth::Yes if scopes.all(principal, &rule.scopes) => {
                return if is_open { Verdict::Open } else { Verdict::Allowed(Some(place)) };
            }
            // Only a token can come back with more scopes.
            Truth::Yes if principal.identity().kind == PrincipalKind::Token => step_up = step_up.or(Some(place)),
            Truth::Open => may_allow = true,
            Truth::Yes | Truth::No | Truth::Failed => (),
        }
    }
    match step_up {
        _ if counted().next().is_none() => Verdict::Allowed(None),
        _ if may_allow => Verdict::Open,
        Some(_) if is_open => Verdict::Open,
        Some(place) => Verdict::ScopeNeeded(place),
        None => Verdict::Denied(None),
    }
}
