//! What an upstream that is reached over HTTP has beside the others: replicas, a breaker, and a task that looks after them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::telemetry::{label::BreakerState, metrics::ServerMetrics};

use super::{
    circuit::{Circuit, Whose},
    credential::{Courier, Credential},
    look::Looker,
    settings::{HttpSettings, UpstreamSettings},
    tend::{Known, Tending},
    wire::http::{ClientFault, ReplicaStatus, Replicas},
};

/// An upstream over HTTP.
pub(super) struct Remote {
    replicas: Arc<Replicas>,
    circuit: Arc<Circuit>,
    whose: Whose,
    name: Arc<str>,
    settings: HttpSettings,
    max_message_bytes: usize,
    metrics: ServerMetrics,
    tending: Mutex<Option<Tending>>,
    is_closed: AtomicBool,
}

/// How an upstream over HTTP is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteStatus {
    /// Its replicas.
    pub replicas: Vec<ReplicaStatus>,
    /// Whether it is called.
    pub breaker: BreakerState,
    /// For how long that stays so, where that is known.
    pub breaker_for: Option<Duration>,
    /// Principals that are not called for just now: calls with their own credential failed.
    pub principals_left_alone: usize,
}

impl Remote {
    /// Nothing is looked up or connected yet.
    pub(super) fn new(
        name: &Arc<str>,
        settings: &UpstreamSettings,
        http: &HttpSettings,
        metrics: &ServerMetrics,
    ) -> Result<Self, ClientFault> {
        let replicas = Replicas::new(name.clone(), http, settings.max_message_bytes, metrics.clone())?;
        let whose = if settings.credential.is_personal() { Whose::Callers } else { Whose::Everybodys };
        Ok(Self {
            replicas: Arc::new(replicas),
            circuit: Circuit::new(name.clone(), settings.breaker.clone(), whose, metrics.clone()),
            whose,
            name: name.clone(),
            settings: http.clone(),
            max_message_bytes: settings.max_message_bytes,
            metrics: metrics.clone(),
            tending: Mutex::default(),
            is_closed: AtomicBool::new(false),
        })
    }

    pub(super) const fn replicas(&self) -> &Arc<Replicas> {
        &self.replicas
    }

    /// A way to it with this credential.
    pub(super) fn courier(&self, credential: &Arc<Credential>) -> Arc<Courier> {
        Arc::new(Courier::new(self.replicas.clone(), credential.clone(), self.circuit.clone()))
    }

    /// From now on its replicas are looked after, with this credential. Where each caller has one of their own there is none to look
    /// with: who refuses to answer without is there.
    pub(super) fn tend(&self, credential: &Arc<Credential>, known: &Known) {
        let mut tending = self.tending.lock().unwrap_or_else(PoisonError::into_inner);
        if tending.is_some() || self.is_closed.load(Ordering::Acquire) {
            return;
        }
        let courier = match self.whose {
            Whose::Everybodys => self.courier(credential),
            Whose::Callers => self.courier(&Arc::new(Credential::none(self.name.clone()))),
        };
        let looker = Looker {
            courier,
            patience: self.settings.health.timeout,
            max_message_bytes: self.max_message_bytes,
            metrics: self.metrics.clone(),
        };
        *tending = Tending::begin(&self.settings, looker, known.clone());
    }

    /// Puts things in order, now and then. Reads a few small files.
    pub(super) fn tidy(&self) {
        self.replicas.tidy();
        self.circuit.tidy();
    }

    /// It is called again, whatever was held against it.
    pub(super) fn release(&self) {
        self.circuit.release();
    }

    pub(super) fn status(&self) -> RemoteStatus {
        let (breaker, breaker_for, principals_left_alone) = self.circuit.state();
        RemoteStatus { replicas: self.replicas.status(), breaker, breaker_for, principals_left_alone }
    }

    /// Nothing is looked after any more.
    pub(super) async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        let tending = self.tending.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tending) = tending {
            tending.end().await;
        }
    }
}
