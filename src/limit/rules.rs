//! The limits in force, and who is asked where.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use arc_swap::ArcSwap;

use super::{
    admission::Admitted,
    ask::Ask,
    ledger::Taken,
    rule::{Counting, Place, Rule},
    settings::{LimitSettings, RuleSettings},
    store::Store,
    subject::Subject,
    table::Table,
    time::{SystemClock, Time},
};
use crate::mcp::{Call, Principal};

/// The limits in force; they are swapped whole when the configuration changes.
pub struct Limits<T: Time = SystemClock> {
    rules: ArcSwap<Rules<T>>,
    store: Option<Arc<dyn Store>>,
    clock: T,
}

/// Those that are asked at each place.
struct Rules<T: Time> {
    gate: Vec<Arc<Rule<T>>>,
    door: Vec<Arc<Rule<T>>>,
    route: Vec<Arc<Rule<T>>>,
}

impl Limits {
    /// These limits, counted here, or with other gateways in a store.
    ///
    /// # Errors
    /// A pattern is no glob; the configuration refuses it before.
    pub fn new(settings: &LimitSettings, store: Option<Arc<dyn Store>>) -> Result<Self, globset::Error> {
        Self::with_clock(settings, store, SystemClock::default())
    }
}

impl<T: Time> Limits<T> {
    pub(super) fn with_clock(
        settings: &LimitSettings,
        store: Option<Arc<dyn Store>>,
        clock: T,
    ) -> Result<Self, globset::Error> {
        let none = Rules { gate: Vec::new(), door: Vec::new(), route: Vec::new() };
        let rules = none.next(settings, store.as_ref(), &clock)?;
        Ok(Self { rules: ArcSwap::from_pointee(rules), store, clock })
    }

    /// Goes over to other limits. What the same limit has counted stays counted.
    ///
    /// # Errors
    /// A pattern is no glob; the old limits stay.
    pub fn set(&self, settings: &LimitSettings) -> Result<(), globset::Error> {
        let rules = self.rules.load().next(settings, self.store.as_ref(), &self.clock)?;
        self.rules.store(Arc::new(rules));
        Ok(())
    }

    /// Lets a request in, whoever sent it: to be asked before its token is looked at.
    pub fn arrive(&self, address: IpAddr, endpoint: &str) -> Admitted {
        let subject = Subject { address: Some(address), endpoint: Some(endpoint), ..Subject::default() };
        self.ask(&self.rules.load().gate, subject)
    }

    /// Lets a call of this principal in at this endpoint.
    pub fn enter(&self, principal: &Principal, address: Option<IpAddr>, endpoint: &str) -> Admitted {
        let subject = Subject { address, principal: Some(principal), endpoint: Some(endpoint), ..Subject::default() };
        self.ask(&self.rules.load().door, subject)
    }

    /// Lets a call through to a server; `tool` is the name that the client used, if it calls one.
    pub fn route(&self, call: &Call, server: &str, tool: Option<&str>) -> Admitted {
        let subject = Subject {
            address: call.trace.address(),
            principal: Some(&call.caller.principal),
            endpoint: Some(&call.endpoint),
            server: Some(server),
            tool,
        };
        self.ask(&self.rules.load().route, subject)
    }

    fn ask(&self, rules: &[Arc<Rule<T>>], subject: Subject<'_>) -> Admitted {
        if rules.is_empty() {
            return Admitted::Now(Ok(super::Admission::default()));
        }
        let share = self.store.as_ref().map_or(NonZeroU32::MIN, |store| store.replicas());
        let mut ask = Ask::new(self.store.clone(), self.clock.clone());
        for rule in rules {
            rule.find(&subject, share, &self.clock, |found| ask.add(found));
        }
        ask.decide(|| subject.who())
    }

    /// Forgets names that have all of their limits left. To be called every now and then.
    pub fn retain_recent(&self) {
        for rule in self.rules.load().all() {
            rule.table.load().retain_recent(&self.clock);
        }
    }

    /// What was taken of quotas, as it is written down. With a store it is there.
    pub fn taken(&self) -> Vec<Taken> {
        self.rules.load().all().flat_map(|rule| rule.taken(&self.clock)).collect()
    }

    /// What was taken of quotas before the gateway started. To be told before the first call.
    pub fn restore(&self, taken: &[Taken]) {
        for rule in self.rules.load().all() {
            rule.restore(taken);
        }
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.rules.load().all().map(|rule| rule.table.load().len()).sum()
    }
}

impl<T: Time> Rules<T> {
    fn all(&self) -> impl Iterator<Item = &Arc<Rule<T>>> {
        self.gate.iter().chain(&self.door).chain(&self.route)
    }

    /// Other rules, with what those that stay the same have counted.
    fn next(
        &self,
        settings: &LimitSettings,
        store: Option<&Arc<dyn Store>>,
        clock: &T,
    ) -> Result<Self, globset::Error> {
        let mut next = Self { gate: Vec::new(), door: Vec::new(), route: Vec::new() };
        let share = store.map_or(NonZeroU32::MIN, |store| store.replicas());
        let mut earlier: Vec<(Place, RuleSettings)> = Vec::new();
        let parts = settings.rules.iter().enumerate();
        for (number, (place, own)) in parts.flat_map(|(at, own)| split(own).into_iter().map(move |part| (at + 1, part)))
        {
            let same = earlier.iter().filter(|(_, settings)| *settings == own).count();
            let of_old = |old: &&Arc<Rule<T>>| old.settings == own && old.max_keys == settings.max_keys;
            let fresh = || Table::new(own.rate, settings.max_keys, share, clock);
            let table = match self.all().filter(of_old).nth(same) {
                Some(old) => old.table.clone(),
                None => Arc::new(ArcSwap::from_pointee(fresh())),
            };
            let counting = if store.is_some() { Counting::InStore } else { Counting::Here };
            let rule = Arc::new(Rule::new(own.clone(), (number, settings.max_keys), table, (same, counting))?);
            if let Some(old) = self.all().filter(of_old).nth(same) {
                rule.inherit(old);
            }
            earlier.push((place, own));
            match place {
                Place::Gate => next.gate.push(rule),
                Place::Door => next.door.push(rule),
                Place::Route => next.route.push(rule),
            }
        }
        Ok(next)
    }
}

/// A limit where it is asked. Requests have no end that could be waited for, calls have: places are always of calls.
fn split(rule: &RuleSettings) -> Vec<(Place, RuleSettings)> {
    let place = Place::of(rule);
    if place != Place::Gate {
        return vec![(place, rule.clone())];
    }
    let flow = RuleSettings { concurrency: None, ..rule.clone() };
    let places = RuleSettings { rate: None, quota: None, ..rule.clone() };
    let has_flow = rule.rate.is_some() || rule.quota.is_some();
    let flow = has_flow.then_some((Place::Gate, flow));
    let places = rule.concurrency.is_some().then_some((Place::Door, places));
    flow.into_iter().chain(places).collect()
}
