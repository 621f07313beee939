//! What is known of one replica: what it has to do, and what is held against it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    ejection::Ejections,
    standing::{Opinion, Standing},
};
use crate::{clock, telemetry::metrics::ServerMetrics, upstream::settings::HttpSettings};

/// What the replicas of one server share.
pub(super) struct Ward {
    pub(super) server: Arc<str>,
    pub(super) settings: Arc<HttpSettings>,
    pub(super) metrics: ServerMetrics,
    ejections: Mutex<Ejections>,
}

impl Ward {
    pub(super) fn new(server: Arc<str>, settings: Arc<HttpSettings>, metrics: ServerMetrics) -> Self {
        let ejections = Mutex::new(Ejections::new(settings.ejection.clone()));
        Self { server, settings, metrics, ejections }
    }

    /// These are the replicas from now on.
    pub(super) fn retain(&self, ids: &[u64]) {
        self.ejections().retain(ids);
    }

    fn ejections(&self) -> MutexGuard<'_, Ejections> {
        self.ejections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One replica, as far as its use goes.
pub(super) struct Record {
    pub(super) id: u64,
    /// What people call it: host and port.
    pub(super) name: Box<str>,
    pub(super) ward: Arc<Ward>,
    in_flight: AtomicUsize,
    sessions: AtomicUsize,
    /// Something may be held against it: only then are locks taken.
    is_suspect: AtomicBool,
    is_unhealthy: AtomicBool,
    standing: Mutex<Standing>,
}

impl Record {
    pub(super) fn new(id: u64, name: Box<str>, ward: Arc<Ward>) -> Self {
        Self {
            id,
            name,
            ward,
            in_flight: AtomicUsize::new(0),
            sessions: AtomicUsize::new(0),
            is_suspect: AtomicBool::new(false),
            is_unhealthy: AtomicBool::new(false),
            standing: Mutex::default(),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn enter(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
    }

    /// A request was answered as it should be.
    pub(super) fn succeeded(&self) {
        if self.is_suspect.load(Ordering::Relaxed) {
            let now = clock::now();
            let mut ejections = self.ward.ejections();
            ejections.succeeded(self.id, now);
            self.is_suspect.store(ejections.out_for(self.id, now).is_some(), Ordering::Relaxed);
        }
    }

    /// A request failed, and that speaks against the replica.
    pub(super) fn failed(&self) {
        let mut ejections = self.ward.ejections();
        self.is_suspect.store(true, Ordering::Relaxed);
        let ejected = ejections.failed(self.id, clock::now());
        drop(ejections);
        if let Some(time) = ejected {
            self.ward.metrics.ejections().inc();
            tracing::warn!(
                server = &*self.ward.server,
                replica = &*self.name,
                ?time,
                "a replica failed again and again; it is left out"
            );
        }
    }

    /// A look at it found this.
    pub(super) fn saw(&self, found: Opinion) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = standing.saw(found, &self.ward.settings.health);
        drop(standing);
        let Some(opinion) = changed else { return };
        self.is_unhealthy.store(opinion == Opinion::Unhealthy, Ordering::Relaxed);
        let (server, replica) = (&*self.ward.server, &*self.name);
        match opinion {
            Opinion::Healthy => tracing::info!(server, replica, "a replica answers again"),
            Opinion::Unhealthy => tracing::warn!(server, replica, "a replica does not answer when it is looked at"),
        }
    }

    pub(super) fn is_unhealthy(&self) -> bool {
        self.is_unhealthy.load(Ordering::Relaxed)
    }

    /// How long it is still left out because calls to it failed.
    pub(super) fn out_for(&self, now: Instant) -> Option<Duration> {
        self.ward.ejections().out_for(self.id, now)
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> usize {
        self.ward.ejections().failures(self.id)
    }

    /// Whether calls should go to it.
    pub(super) fn is_fit(&self) -> bool {
        !self.is_unhealthy() && (!self.is_suspect.load(Ordering::Relaxed) || self.out_for(clock::now()).is_none())
    }
}
