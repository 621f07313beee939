//! All rules of a configuration, and what they say.

use std::sync::Arc;

use cel::Context;

use crate::{
    jsonrpc::Raw,
    mcp::{Caller, Decision, Fault, Principal, Ruling, Trace},
    telemetry::{label, metrics::METRICS},
};

use super::{
    asked::{Asked, Known},
    language::{self, Mentions, Variable},
    memory::Memory,
    permit::Permitted,
    rule::{Rule, RuleFault},
    scope::{Bounds, Claims, Scope},
    scopes::Scopes,
    settings::{Mode, PolicySettings},
    truth::Truth,
    verdict::{Counting, Verdict, fold},
};

/// What is known when a list is shown, besides who asks for it.
const PRESENT: Mentions = Mentions::of([Variable::Client, Variable::Now, Variable::Request]);

/// The rules in force and in shadow.
pub struct Policies {
    pub(super) rules: Vec<Rule>,
    pub(super) scopes: Scopes,
    pub(super) bounds: Bounds,
    has_shadow: bool,
    changes_with_time: bool,
    memory: Memory<Outlook>,
}

/// What can be said of a question before client, time and arguments are known.
#[derive(Clone, Debug)]
struct Outlook {
    said: Said,
    /// What each rule says, where that is not the end of it.
    truths: Option<Arc<[Truth]>>,
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Those in force.
    pub(super) in_force: Verdict,
    /// With those in shadow.
    pub(super) with_shadow: Verdict,
}

impl Said {
    fn is_open(self) -> bool {
        self.in_force == Verdict::Open || self.with_shadow == Verdict::Open
    }

    /// What it may come to.
    fn at_best(self) -> Self {
        let best = |verdict| if verdict == Verdict::Open { Verdict::Allowed(None) } else { verdict };
        Self { in_force: best(self.in_force), with_shadow: best(self.with_shadow) }
    }
}

impl Policies {
    /// The rules of these settings.
    ///
    /// # Errors
    /// The first rule that is none, by its place; the configuration refuses it before.
    pub fn new(settings: &PolicySettings) -> Result<Self, (usize, RuleFault)> {
        let rule = |(place, own)| Rule::new(own, place, settings.mode).map_err(|fault| (place, fault));
        let rules = settings.rules.iter().enumerate().map(rule).collect::<Result<Vec<_>, _>>()?;
        let sees_claims = rules.iter().any(|rule| rule.mentions().has(Variable::Claims));
        Ok(Self {
            scopes: Scopes::new(&settings.scopes),
            bounds: Bounds {
                max_arguments_bytes: settings.max_arguments_bytes,
                claims: if sees_claims { Claims::Seen } else { Claims::Unseen },
                gaps: Mentions::default(),
                at: None,
            },
            changes_with_time: rules.iter().any(|rule| rule.mentions().meets(PRESENT)),
            has_shadow: rules.iter().any(|rule| rule.mode == Mode::Shadow),
            memory: Memory::new(settings.max_remembered),
            rules,
        })
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.memory.len()
    }

    /// Whether there are none, so that all see and may do everything.
    pub const fn are_none(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether what a caller sees depends on the client or the time.
    pub const fn change_with_time(&self) -> bool {
        self.changes_with_time
    }

    /// Whether a caller may know of something: whether there is a call of it that the rules could allow.
    pub fn show(&self, asked: &Asked<'_>, caller: &Caller) -> bool {
        if self.are_none() {
            return true;
        }
        let outlook = self.outlook(asked);
        let mut verdict = outlook.said.in_force;
        if let (Verdict::Open, Some(truths)) = (verdict, &outlook.truths) {
            verdict = self.present(asked, caller, (truths, outlook.said)).1.in_force;
        }
        !matches!(verdict, Verdict::Denied(_))
    }

    /// Permits a call, or says why not: as if its subject were `absent` where no call of it would be allowed.
    ///
    /// # Errors
    /// `absent`; [`Fault::Scope`] where a token with more scopes may; [`Fault::Denied`] where other arguments may.
    pub fn permit<T>(
        &self,
        asked: &Asked<'_>,
        request: Request<'_>,
        absent: impl FnOnce() -> Fault,
        call: T,
    ) -> Result<Permitted<T>, Fault> {
        if self.are_none() {
            return Ok(Permitted::new(call));
        }
        let (said, is_hidden) = self.settle(asked, &request);
        let decision = self.decision(said);
        METRICS.policy_decisions.of(label(decision.ruling)).inc();
        if decision.ruling == Ruling::ShadowDenied {
            log_shadow(asked, decision.rule.as_deref());
        }
        request.trace.decided(decision);
        match said.in_force {
            Verdict::Allowed(_) => Ok(Permitted::new(call)),
            Verdict::ScopeNeeded(rule) => {
                let needed = self.rules.get(rule).map(|rule| rule.scopes.as_slice()).unwrap_or_default();
                Err(Fault::Scope(needed.into()))
            }
            Verdict::Denied(_) | Verdict::Open if is_hidden => Err(absent()),
            Verdict::Denied(_) | Verdict::Open => Err(Fault::Denied),
        }
    }

    /// What is said in the end, and whether it was already said without the arguments.
    fn settle(&self, asked: &Asked<'_>, request: &Request<'_>) -> (Said, bool) {
        let outlook = self.outlook(asked);
        let Some(truths) = &outlook.truths else { return (outlook.said, true) };
        let (truths, said) = self.present(asked, request.caller, (truths, outlook.said));
        let is_hidden = matches!(said.in_force, Verdict::Denied(_));
        if !said.is_open() {
            return (said, true);
        }
        let arguments = match request.arguments {
            Arguments::NotSaid => return (said.at_best(), false),
            Arguments::Said(arguments) => arguments,
        };
        let (mut truths, _) = self.look_closer(asked, Known::Whole(request.caller, arguments), &truths);
        // All is known now: what still cannot tell is too large to be looked at.
        for (rule, truth) in self.rules.iter().zip(&mut truths).filter(|(_, truth)| **truth == Truth::Open) {
            rule.failed(None);
            *truth = Truth::Failed;
        }
        (self.said(&truths, asked.principal), is_hidden)
    }

    /// What is known of a question for as long as the rules are the same.
    fn outlook(&self, asked: &Asked<'_>) -> Outlook {
        self.memory.find(asked, || {
            let open = vec![Truth::Open; self.rules.len()];
            let (truths, said) = self.look_closer(asked, Known::Lasting, &open);
            Outlook { said, truths: said.is_open().then(|| truths.into()) }
        })
    }

    /// What is said now that client and time are known. Rules that mention neither have no more to say.
    fn present(&self, asked: &Asked<'_>, caller: &Caller, before: (&[Truth], Said)) -> (Vec<Truth>, Said) {
        let (truths, said) = before;
        if self.changes_with_time {
            self.look_closer(asked, Known::Present(caller), truths)
        } else {
            (truths.to_vec(), said)
        }
    }

    /// Asks those rules again that could not tell, now that more is known.
    fn look_closer(&self, asked: &Asked<'_>, known: Known<'_>, truths: &[Truth]) -> (Vec<Truth>, Said) {
        let scope = Scope::new(asked, known, self.bounds);
        let mut context = Context::with_env(language::environment());
        context.set_variable_resolver(&scope);
        let ask = |(rule, truth): (&Rule, &Truth)| {
            if *truth != Truth::Open {
                return *truth;
            }
            let (truth, failure) = rule.ask(asked, &scope, &context);
            if truth == Truth::Failed {
                rule.failed(failure.as_ref());
            }
            truth
        };
        let truths: Vec<Truth> = self.rules.iter().zip(truths).map(ask).collect();
        let said = self.said(&truths, asked.principal);
        (truths, said)
    }

    pub(super) fn said(&self, truths: &[Truth], principal: &Principal) -> Said {
        let verdict = |counting| fold(&self.rules, truths, counting, &self.scopes, principal);
        let in_force = verdict(Counting::InForce);
        Said { in_force, with_shadow: if self.has_shadow { verdict(Counting::All) } else { in_force } }
    }

    pub(super) fn decision(&self, said: Said) -> Decision {
        let mark = |rule: Option<usize>| Some(self.rules.get(rule?)?.mark.clone());
        let (ruling, rule) = match (said.in_force, said.with_shadow) {
            (Verdict::Allowed(_), Verdict::Denied(rule)) => (Ruling::ShadowDenied, rule),
            (Verdict::Allowed(_), Verdict::ScopeNeeded(rule)) => (Ruling::ShadowDenied, Some(rule)),
            (Verdict::Allowed(rule), _) => (Ruling::Allowed, rule),
            (Verdict::ScopeNeeded(rule), _) => (Ruling::ScopeNeeded, Some(rule)),
            (Verdict::Denied(rule), _) => (Ruling::Denied, rule),
            (Verdict::Open, _) => (Ruling::Denied, None),
        };
        Decision { ruling, rule: mark(rule) }
    }
}

/// The call that a permission is for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who calls, and with which client.
    pub caller: &'a Caller,
    /// The arguments.
    pub arguments: Arguments<'a>,
    /// Where the decision is noted.
    pub trace: &'a Trace,
}

/// What is known of a call's arguments.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'a> {
    /// These, or none.
    Said(Option<&'a Raw>),
    /// They are not said yet, or no longer: what is asked goes with a call that has some.
    NotSaid,
}

const fn label(ruling: Ruling) -> label::Decision {
    match ruling {
        Ruling::Allowed => label::Decision::Allowed,
        Ruling::ShadowDenied => label::Decision::ShadowDenied,
        Ruling::ScopeNeeded => label::Decision::ScopeNeeded,
        Ruling::Denied => label::Decision::Denied,
    }
}

fn log_shadow(asked: &Asked<'_>, rule: Option<&str>) {
    tracing::info!(
        rule = rule.unwrap_or("no rule allows it"),
        principal = asked.principal.id(),
        method = asked.subject.method(),
        server = asked.server,
        tool = asked.subject.name(),
        endpoint = asked.endpoint,
        "would be denied"
    );
}
