//! What the tasks of all namespaces write on, and the picture that it makes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::telemetry::metrics::METRICS;

use super::{
    fault::AskFault,
    picture::{Heard, Picture, Scope},
};

/// What all tasks write on.
#[derive(Clone, Debug)]
pub(super) struct Board {
    scopes: Arc<Mutex<Vec<Scope>>>,
    picture: watch::Sender<Arc<Picture>>,
}

impl Board {
    /// A board with what is known already.
    pub(super) fn new(scopes: Vec<Scope>) -> Self {
        let board = Self { scopes: Arc::new(Mutex::new(scopes)), picture: watch::Sender::default() };
        board.publish(&board.lock());
        board
    }

    /// The picture, and each that follows.
    pub(super) fn picture(&self) -> watch::Receiver<Arc<Picture>> {
        self.picture.subscribe()
    }

    pub(super) fn listed(&self, place: usize, listed: Scope) {
        self.change(place, |scope| *scope = listed);
    }

    /// It answers.
    pub(super) fn works(&self, place: usize) {
        let is_known = self.lock().get(place).is_some_and(|scope| scope.trouble.is_none());
        if !is_known {
            self.change(place, |_| ());
        }
    }

    /// Something was heard.
    pub(super) fn change(&self, place: usize, change: impl FnOnce(&mut Scope)) {
        let mut scopes = self.lock();
        let Some(scope) = scopes.get_mut(place) else { return };
        change(scope);
        scope.heard = Heard::Something;
        if scope.trouble.take().is_some() {
            tracing::info!("the API server is heard again");
        }
        self.publish(&scopes);
    }

    /// What was known stays. The log hears of each kind of trouble once.
    pub(super) fn failed(&self, place: usize, namespace: Option<&str>, fault: &AskFault) {
        let mut scopes = self.lock();
        let Some(scope) = scopes.get_mut(place) else { return };
        let Some(trouble) = fault.trouble() else { return };
        scope.heard = Heard::Something;
        if scope.trouble.replace(trouble) != Some(trouble) {
            let namespace = namespace.unwrap_or("all");
            let cause = cause(fault);
            tracing::warn!(namespace, %trouble, cause, "services cannot be followed; what was found before stays");
        }
        self.publish(&scopes);
    }

    fn publish(&self, scopes: &[Scope]) {
        let picture = Picture {
            services: scopes.iter().flat_map(Scope::services).cloned().collect(),
            trouble: scopes.iter().find_map(|scope| scope.trouble),
            awaited: scopes.iter().filter(|scope| scope.heard == Heard::Nothing).count(),
        };
        METRICS.discovery_up.set(i64::from(picture.trouble.is_none() && picture.awaited == 0));
        self.picture.send_if_modified(|last| {
            let is_other = **last != picture;
            *last = Arc::new(picture);
            is_other
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Scope>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cause(fault: &AskFault) -> String {
    let mut cause = fault.to_string();
    let mut source = std::error::Error::source(fault);
    while let Some(error) = source {
        cause.push_str(": ");
        cause.push_str(&error.to_string());
        source = error.source();
    }
    cause
}
