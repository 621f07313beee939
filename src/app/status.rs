//! How the gateway is, for those who ask.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use crate::{
    admin::{Part, Phase, Problem, Readiness, Status},
    audit::Audit,
    clock::moment,
    limit::{redis::RedisStore, store::Store},
    upstream::settings::Start,
};

use super::{found::Shown, gateway::Gateway};

/// The health of a gateway.
pub(super) struct Health {
    gateway: Arc<Gateway>,
    audit: Option<Arc<Audit>>,
    store: Option<Arc<RedisStore>>,
    found: Arc<Shown>,
    phase: AtomicU8,
}

/// Services that are left out and named: an operator needs no more to know what is wrong.
const MAX_FOUND: usize = 100;

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

impl Health {
    pub(super) const fn new(
        gateway: Arc<Gateway>,
        audit: Option<Arc<Audit>>,
        store: Option<Arc<RedisStore>>,
        found: Arc<Shown>,
    ) -> Self {
        Self { gateway, audit, store, found, phase: AtomicU8::new(STARTING) }
    }

    /// Services that are left out, and what may be old.
    fn discovery(&self) -> Vec<Problem> {
        let (left_out, trouble) = self.found.problems();
        let trouble = trouble.map(|trouble| Problem {
            part: Part::Discovery("kubernetes".to_owned()),
            problem: format!("{trouble}: the servers that were found before stay"),
        });
        let left_out = left_out.into_iter().map(|left_out| Problem {
            part: Part::Discovery(left_out.service.to_string()),
            problem: format!("is left out: {}", left_out.fault),
        });
        trouble.into_iter().chain(left_out).take(MAX_FOUND).collect()
    }

    pub(super) fn serves(&self) {
        self.phase.store(SERVING, Ordering::Release);
    }

    pub(super) fn drains(&self) {
        self.phase.store(DRAINING, Ordering::Release);
    }
}

impl Status for Health {
    fn ready(&self) -> Readiness {
        let phase = match self.phase.load(Ordering::Acquire) {
            STARTING => Phase::Starting,
            SERVING => Phase::Serving,
            _ => Phase::Draining,
        };
        let unreached = self.gateway.upstreams().into_iter().filter(|upstream| {
            let is_awaited = upstream.settings().start == Start::Eager;
            is_awaited && !upstream.is_reached()
        });
        let problems = unreached.map(|upstream| Problem {
            part: Part::Server(upstream.name().to_string()),
            problem: "was not reached yet".to_owned(),
        });
        let behind = self.gateway.upstreams().into_iter().filter_map(|upstream| Some((upstream.behind()?, upstream)));
        let behind = behind.map(|(since, upstream)| Problem {
            part: Part::Server(upstream.name().to_string()),
            problem: match since {
                Some(since) => {
                    format!("does not list what it has: what it listed at {} is offered", moment(since.as_secs()))
                }
                None => "does not list what it has: nothing of it is offered".to_owned(),
            },
        });
        let parked = self.gateway.upstreams().into_iter().filter_map(|upstream| {
            let (fault, since) = upstream.parked()?;
            let (name, minutes) = (upstream.name().to_string(), since.as_secs() / 60);
            let problem = format!(
                "{fault}; it failed too often and is left alone for {minutes} min: `myelin restart {name}` tries again"
            );
            Some(Problem { part: Part::Server(name), problem })
        });
        let withheld = self.gateway.upstreams().into_iter().filter(|upstream| upstream.withheld() > 0);
        let withheld = withheld.map(|upstream| Problem {
            part: Part::Server(upstream.name().to_string()),
            problem: format!("{} tools or other things are withheld: not approved, or too large", upstream.withheld()),
        });
        let audit = self.audit.as_ref().filter(|audit| audit.is_failing()).map(|audit| Problem {
            part: Part::Audit(audit.file().to_owned()),
            problem: if audit.refuses() { "cannot be written: calls are refused" } else { "cannot be written" }
                .to_owned(),
        });
        let store = self.store.as_ref().filter(|store| !store.is_there()).map(|store| Problem {
            part: Part::Limits("redis"),
            problem: format!("is away: limits go by this gateway's share, 1 of {}", store.replicas()),
        });
        Readiness {
            phase,
            problems: audit
                .into_iter()
                .chain(store)
                .chain(self.discovery())
                .chain(problems)
                .chain(parked)
                .chain(behind)
                .chain(withheld)
                .collect(),
        }
    }
}
