//! Why the rules say what they say: for the operator at work on them.

use std::{sync::Arc, time::Duration};

use cel::Context;

use crate::{
    jsonrpc::Raw,
    mcp::{Caller, Decision},
};

use super::{
    asked::{Asked, Known},
    language::{self, Mentions, Variable},
    policies::Policies,
    scope::{Bounds, Scope},
    truth::Truth,
    verdict::Verdict,
};

/// A call, as it is or was.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Who calls, and with which client.
    pub caller: &'a Caller,
    /// The arguments.
    pub arguments: Option<&'a Raw>,
    /// When, since 1970; now when absent.
    pub at: Option<Duration>,
    /// What nobody knows any more.
    pub lost: &'a [Variable],
}

/// What all rules say of a call, and what comes of it.
#[derive(Debug)]
pub struct Explanation {
    /// Each rule, in file order.
    pub rules: Vec<Explained>,
    /// What comes of it; `None` where that depends on what nobody knows any more.
    pub decision: Option<Decision>,
    /// What that is.
    pub lost: Vec<&'static str>,
}

/// What one rule says.
#[derive(Debug)]
pub struct Explained {
    /// Its name, or `#3`.
    pub mark: Arc<str>,
    /// `allow` or `deny`.
    pub effect: &'static str,
    /// `enforce` or `shadow`.
    pub mode: &'static str,
    /// The condition, as it was written.
    pub condition: Box<str>,
    /// What it says.
    pub says: Says,
    /// Scopes that it wants and the caller lacks.
    pub lacking: Vec<String>,
}

/// What one rule says, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// It is about something else: this list, or the condition, says so.
    Elsewhere(&'static str),
    /// Its condition holds.
    Holds,
    /// It does not.
    HoldsNot,
    /// It fails, for this reason; an `allow` then allows nothing, and a `deny` denies.
    Fails(String),
    /// It depends on what nobody knows any more.
    Depends,
}

impl Policies {
    /// What all rules say of a call.
    pub fn explain(&self, asked: &Asked<'_>, of: Circumstances<'_>) -> Explanation {
        let mut gaps = Mentions::default();
        of.lost.iter().for_each(|variable| gaps.add(*variable));
        let known = if gaps.has(Variable::Arguments) {
            Known::Present(of.caller)
        } else {
            Known::Whole(of.caller, of.arguments)
        };
        let scope = Scope::new(asked, known, Bounds { gaps, at: of.at, ..self.bounds });
        let mut context = Context::with_env(language::environment());
        context.set_variable_resolver(&scope);
        let (mut rules, mut truths) = (Vec::new(), Vec::new());
        for rule in &self.rules {
            let (mut truth, failure) = rule.ask(asked, &scope, &context);
            let is_lost = rule.mentions().meets(gaps);
            if truth == Truth::Open && !is_lost {
                truth = Truth::Failed;
            }
            let says = match (truth, rule.targets.misses(asked)) {
                (_, Some(list)) => Says::Elsewhere(list),
                (Truth::Yes, None) => Says::Holds,
                (Truth::No, None) => Says::HoldsNot,
                (Truth::Open, None) => Says::Depends,
                (Truth::Failed, None) => Says::Fails(failure.map_or_else(
                    || "the arguments are no object, or larger than `policy.maxArguments`".to_owned(),
                    |failure| failure.detail(),
                )),
            };
            let lacks = |scope: &&String| !self.scopes.all(asked.principal, std::slice::from_ref(*scope));
            rules.push(Explained {
                mark: rule.mark.clone(),
                effect: rule.effect.name(),
                mode: rule.mode.name(),
                condition: rule.source.clone(),
                says,
                lacking: rule.scopes.iter().filter(lacks).cloned().collect(),
            });
            truths.push(truth);
        }
        let said = self.said(&truths, asked.principal);
        let is_open = said.in_force == Verdict::Open || said.with_shadow == Verdict::Open;
        let depends = self.rules.iter().zip(&truths).filter(|(_, truth)| **truth == Truth::Open);
        let mentions = depends.fold(Mentions::default(), |all, (rule, _)| all.with(rule.mentions()));
        let lost =
            of.lost.iter().filter(|variable| is_open && mentions.has(**variable)).map(|variable| variable.name());
        Explanation { rules, decision: (!is_open).then(|| self.decision(said)), lost: lost.collect() }
    }
}
