//! The limits in force, and who is asked where.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use globset::{Glob, GlobMatcher};
use governor::clock::Clock;
use smallvec::SmallVec;

use super::{
    bucket::{Admission, Bucket},
    settings::{LimitSettings, RuleSettings},
    system_clock::SystemClock,
    table::Table,
};
use crate::mcp::{Fault, Limit, Per, Principal, SetLimit};

/// When to come back for a place: nobody knows when one becomes free.
const PLACE_RETRY: Duration = Duration::from_secs(1);

/// The limits in force; they are swapped whole when the configuration changes.
pub struct Limits<C: Clock = SystemClock> {
    rules: ArcSwap<Rules<C>>,
    clock: C,
}

/// Those that are asked at the door, and those that are asked where the server is known.
struct Rules<C: Clock> {
    door: Vec<Arc<Rule<C>>>,
    route: Vec<Arc<Rule<C>>>,
}

pub(super) struct Rule<C: Clock> {
    settings: RuleSettings,
    number: usize,
    max_keys: usize,
    matcher: Option<GlobMatcher>,
    rate: Option<Arc<SetLimit>>,
    places: Option<Arc<SetLimit>>,
    pub(super) table: Table<C>,
}

/// What a call is counted for.
#[derive(Clone, Copy)]
enum Asked<'a> {
    Door(&'a Principal, &'a str),
    Route(&'a str, Option<&'a str>),
}

/// What a call is counted in. Few limits concern one call: it is no allocation.
type Found<'a, C> = SmallVec<[(&'a Rule<C>, Arc<Bucket<C>>); 4]>;

impl Limits {
    /// These limits.
    ///
    /// # Errors
    /// A pattern is no glob; the configuration refuses it before.
    pub fn new(settings: &LimitSettings) -> Result<Self, globset::Error> {
        Self::with_clock(settings, SystemClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    pub(super) fn with_clock(settings: &LimitSettings, clock: C) -> Result<Self, globset::Error> {
        let rules = Rules::build(settings, &Rules { door: Vec::new(), route: Vec::new() }, &clock)?;
        Ok(Self { rules: ArcSwap::from_pointee(rules), clock })
    }

    /// Goes over to other limits. What the same limit has counted stays counted.
    ///
    /// # Errors
    /// A pattern is no glob; the old limits stay.
    pub fn set(&self, settings: &LimitSettings) -> Result<(), globset::Error> {
        let rules = Rules::build(settings, &self.rules.load(), &self.clock)?;
        self.rules.store(Arc::new(rules));
        Ok(())
    }

    /// Lets a call of this principal in at this endpoint.
    ///
    /// # Errors
    /// [`Fault::Limited`].
    pub fn enter(&self, principal: &Principal, endpoint: &str) -> Result<Admission, Fault> {
        admit(&self.rules.load().door, Asked::Door(principal, endpoint), &self.clock)
    }

    /// Lets a call through to a server; `tool` is the name that the client used, if it calls one.
    ///
    /// # Errors
    /// [`Fault::Limited`].
    pub fn route(&self, server: &str, tool: Option<&str>) -> Result<Admission, Fault> {
        admit(&self.rules.load().route, Asked::Route(server, tool), &self.clock)
    }

    /// Forgets names that have all of their limits left. To be called every now and then.
    pub fn retain_recent(&self) {
        let rules = self.rules.load();
        for rule in rules.door.iter().chain(&rules.route) {
            rule.table.retain_recent(&self.clock);
        }
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        let rules = self.rules.load();
        rules.door.iter().chain(&rules.route).map(|rule| rule.table.len()).sum()
    }
}

impl<C: Clock + Clone> Rules<C> {
    fn build(settings: &LimitSettings, old: &Self, clock: &C) -> Result<Self, globset::Error> {
        let (mut door, mut route) = (Vec::new(), Vec::new());
        for (place, own) in settings.rules.iter().enumerate() {
            let number = place + 1;
            let same =
                |old: &&Arc<Rule<C>>| old.settings == *own && old.number == number && old.max_keys == settings.max_keys;
            let rule = match old.door.iter().chain(&old.route).find(same) {
                Some(rule) => rule.clone(),
                None => Arc::new(Rule::new(own, number, settings.max_keys, clock)?),
            };
            match own.per {
                Per::Principal | Per::Group | Per::Endpoint => door.push(rule),
                Per::Server | Per::Tool => route.push(rule),
            }
        }
        Ok(Self { door, route })
    }
}

impl<C: Clock + Clone> Rule<C> {
    fn new(settings: &RuleSettings, number: usize, max_keys: usize, clock: &C) -> Result<Self, globset::Error> {
        let matcher = settings.pattern.as_deref().map(Glob::new).transpose()?.map(|glob| glob.compile_matcher());
        let told = |quota, window| Arc::new(SetLimit { per: settings.per, number, quota, window });
        Ok(Self {
            rate: settings.rate.map(|rate| told(rate.pace.count, Some(rate.pace.window.length()))),
            places: settings.concurrency.map(|most| told(most, None)),
            table: Table::new(settings.rate, max_keys, clock),
            settings: settings.clone(),
            number,
            max_keys,
            matcher,
        })
    }

    /// The buckets of the names that a call has for this limit.
    fn find<'a>(&'a self, asked: Asked<'_>, clock: &C, found: &mut Found<'a, C>) {
        let mut take = |name: &str| {
            if self.matcher.as_ref().is_none_or(|matcher| matcher.is_match(name)) {
                found.push((self, self.table.of(name, clock)));
            }
        };
        match (self.settings.per, asked) {
            (Per::Principal, Asked::Door(principal, _)) => take(principal.id()),
            (Per::Group, Asked::Door(principal, _)) => {
                principal.identity().groups.iter().for_each(|group| take(group));
            }
            (Per::Endpoint, Asked::Door(_, endpoint)) => take(endpoint),
            (Per::Server, Asked::Route(server, _)) => take(server),
            (Per::Tool, Asked::Route(_, Some(tool))) => take(tool),
            _ => (),
        }
    }
}

/// Places first, since they can be given back: a call that finds none takes nothing from a bucket.
fn admit<C: Clock + Clone>(rules: &[Arc<Rule<C>>], asked: Asked<'_>, clock: &C) -> Result<Admission, Fault> {
    let mut admission = Admission::default();
    if rules.is_empty() {
        return Ok(admission);
    }
    let mut found = Found::new();
    for rule in rules {
        rule.find(asked, clock, &mut found);
    }
    for (rule, bucket) in &found {
        if let (Some(most), Some(told)) = (rule.settings.concurrency, &rule.places) {
            let place = bucket.enter(most).ok_or_else(|| Fault::Limited(Limit::Set(told.clone()), PLACE_RETRY))?;
            admission.hold(place);
        }
    }
    for (rule, bucket) in &found {
        if let Some(told) = &rule.rate {
            bucket.take(clock).map_err(|after| Fault::Limited(Limit::Set(told.clone()), after))?;
        }
    }
    Ok(admission)
}
