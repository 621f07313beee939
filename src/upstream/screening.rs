//! A server's tools, held against what was approved each time that they are listed: looked at once per list and never per call.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;

use crate::{
    mcp::Entry,
    pin::{Finding, Lock, Screen, Verdict},
    telemetry::metrics::ServerMetrics,
};

use super::settings::UpstreamSettings;

/// Tools of which something is remembered at the most.
const MAX_FINDINGS: usize = 1000;

/// Holds tools against a screen, and remembers what it found.
pub(super) struct Screening {
    screen: ArcSwap<Screen>,
    found: Mutex<Found>,
    metrics: ServerMetrics,
}

#[derive(Default)]
struct Found {
    /// By the server's own names.
    tools: BTreeMap<Box<str>, Finding>,
    /// What nobody was told yet.
    news: Vec<(Box<str>, Finding)>,
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
        self.metrics.withheld().set(0);
        true
    }

    /// The tools that are offered.
    pub(super) fn sift(&self, server: &str, tools: Vec<Entry>) -> Vec<Entry> {
        let screen = self.screen.load();
        let judged: Vec<(Entry, Option<Finding>)> = tools
            .into_iter()
            .map(|tool| {
                let finding = screen.judge(&tool.key, &tool.raw);
                (tool, finding)
            })
            .collect();
        self.remember(server, &judged);
        let is_offered =
            |finding: &Option<Finding>| finding.as_ref().is_none_or(|finding| finding.verdict == Verdict::Offered);
        judged.into_iter().filter(|(_, finding)| is_offered(finding)).map(|(tool, _)| tool).collect()
    }

    /// How many tools are withheld.
    pub(super) fn withheld(&self) -> usize {
        count(&self.found.lock().unwrap_or_else(PoisonError::into_inner).tools)
    }

    /// What was found since somebody asked last.
    pub(super) fn news(&self) -> Vec<(Box<str>, Finding)> {
        std::mem::take(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner).news)
    }

    fn remember(&self, server: &str, judged: &[(Entry, Option<Finding>)]) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for (tool, finding) in judged {
            let Some(finding) = finding else {
                found.tools.remove(&tool.key);
                continue;
            };
            if found.tools.get(&tool.key) == Some(finding) || found.tools.len() >= MAX_FINDINGS {
                continue;
            }
            found.tools.insert(tool.key.clone(), finding.clone());
            if found.news.len() < MAX_FINDINGS {
                found.news.push((tool.key.clone(), finding.clone()));
            }
            report(server, &tool.key, finding);
        }
        self.metrics.withheld().set(i64::try_from(count(&found.tools)).unwrap_or(i64::MAX));
    }
}

/// What a server's tools are held against.
pub(super) fn screen(settings: &UpstreamSettings, lock: Option<&Lock>) -> Screen {
    let pins = lock.and_then(|lock| lock.servers.get(&settings.name).cloned());
    Screen { mode: settings.pin, pins, max_entry_bytes: settings.max_entry_bytes }
}

fn count(found: &BTreeMap<Box<str>, Finding>) -> usize {
    found.values().filter(|finding| finding.verdict == Verdict::Withheld).count()
}

fn report(server: &str, tool: &str, finding: &Finding) {
    let reason = finding.reason.name();
    match finding.verdict {
        Verdict::Withheld => tracing::warn!(server, tool, reason, "a tool is withheld: it is not what was approved"),
        Verdict::Offered => tracing::warn!(server, tool, reason, "a tool is not what was approved"),
    }
}
