//! A server's tools, held against what was approved each time that they are listed: looked at once per list and never per call.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;

use crate::{
    jsonrpc::Raw,
    mcp::{Entry, ListKind},
    pin::{Finding, Kind, Lock, Screen, Verdict},
    telemetry::{label::Thing, metrics::ServerMetrics},
};

use super::settings::UpstreamSettings;

/// Things of which something is remembered at the most.
const MAX_FINDINGS: usize = 1000;

/// A thing, by its kind and the server's own name.
pub(super) type Named = (Kind, Box<str>);

/// Holds tools against a screen, and remembers what it found.
pub(super) struct Screening {
    screen: ArcSwap<Screen>,
    found: Mutex<Found>,
    metrics: ServerMetrics,
}

#[derive(Default)]
struct Found {
    things: BTreeMap<Named, Finding>,
    /// What nobody was told yet.
    news: Vec<(Named, Finding)>,
}

impl Screening {
    pub(super) fn new(screen: Screen, metrics: ServerMetrics) -> Self {
        Self { screen: ArcSwap::from_pointee(screen), found: Mutex::default(), metrics }
    }

    /// Goes over to another screen. Whether it is another one: lists that were looked at with the old one are then of no use.
    pub(super) fn set(&self, screen: Screen) -> bool {
        if **self.screen.load() == screen {
            return false;
        }
        self.screen.store(Arc::new(screen));
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Found::default();
        self.count(&Found::default());
        true
    }

    /// What of a list is offered.
    pub(super) fn sift(&self, server: &str, kind: ListKind, entries: Vec<Entry>) -> Vec<Entry> {
        let (screen, kind) = (self.screen.load(), Kind::of(kind));
        let judged: Vec<(Entry, Option<Finding>)> = entries
            .into_iter()
            .map(|entry| {
                let finding = screen.judge(kind, &entry.key, &entry.raw);
                (entry, finding)
            })
            .collect();
        self.remember(server, judged.iter().map(|(entry, finding)| (kind, &*entry.key, finding.as_ref())));
        let is_offered =
            |finding: &Option<Finding>| finding.as_ref().is_none_or(|finding| finding.verdict == Verdict::Offered);
        judged.into_iter().filter(|(_, finding)| is_offered(finding)).map(|(tool, _)| tool).collect()
    }

    /// What the server says of itself, if that may be passed on.
    pub(super) fn instructions(&self, server: &str, text: String) -> Option<String> {
        let finding = self.screen.load().judge(Kind::Instructions, "", &Raw::string(&text));
        self.remember(server, std::iter::once((Kind::Instructions, "", finding.as_ref())));
        finding.is_none_or(|finding| finding.verdict == Verdict::Offered).then_some(text)
    }

    /// Whether something of that name is withheld.
    pub(super) fn withholds(&self, kind: Kind, name: &str) -> bool {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        !found.things.is_empty()
            && found.things.get(&(kind, name.into())).is_some_and(|finding| finding.verdict == Verdict::Withheld)
    }

    /// How many things are withheld.
    pub(super) fn withheld(&self) -> usize {
        count(&self.found.lock().unwrap_or_else(PoisonError::into_inner).things)
    }

    /// What was found since somebody asked last.
    pub(super) fn news(&self) -> Vec<(Named, Finding)> {
        std::mem::take(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner).news)
    }

    fn remember<'a>(&self, server: &str, judged: impl Iterator<Item = (Kind, &'a str, Option<&'a Finding>)>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, name, finding) in judged {
            if finding.is_none() && found.things.is_empty() {
                continue;
            }
            let named: Named = (kind, name.into());
            let Some(finding) = finding else {
                found.things.remove(&named);
                continue;
            };
            if found.things.get(&named) == Some(finding) || found.things.len() >= MAX_FINDINGS {
                continue;
            }
            found.things.insert(named.clone(), finding.clone());
            if found.news.len() < MAX_FINDINGS {
                found.news.push((named, finding.clone()));
            }
            report(server, kind, name, finding);
        }
        self.count(&found);
    }

    fn count(&self, found: &Found) {
        let is_withheld = |finding: &Finding| finding.verdict == Verdict::Withheld;
        for kind in Kind::ALL {
            let own = found.things.iter().filter(|((own, _), finding)| *own == kind && is_withheld(finding));
            self.metrics.withheld(thing(kind), own.count());
        }
    }
}

/// What a server's things are held against.
pub(super) fn screen(settings: &UpstreamSettings, lock: Option<&Lock>) -> Screen {
    let pins = lock.and_then(|lock| lock.servers.get(&settings.name).cloned());
    Screen { mode: settings.pin, pins, max_entry_bytes: settings.max_entry_bytes }
}

const fn thing(kind: Kind) -> Thing {
    match kind {
        Kind::Tool => Thing::Tool,
        Kind::Prompt => Thing::Prompt,
        Kind::Resource => Thing::Resource,
        Kind::Template => Thing::Template,
        Kind::Instructions => Thing::Instructions,
    }
}

fn count(found: &BTreeMap<Named, Finding>) -> usize {
    found.values().filter(|finding| finding.verdict == Verdict::Withheld).count()
}

fn report(server: &str, kind: Kind, name: &str, finding: &Finding) {
    let (kind, reason) = (kind.name(), finding.reason.name());
    match finding.verdict {
        Verdict::Withheld => {
            tracing::warn!(server, kind, name, reason, "something is withheld: it is not what was approved");
        }
        Verdict::Offered => tracing::warn!(server, kind, name, reason, "something is not what was approved"),
    }
}
