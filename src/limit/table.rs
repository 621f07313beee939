//! The names that a limit tells apart: bounded, and forgotten when it makes no difference.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use governor::clock::Clock;

use super::{bucket::Bucket, settings::Rate};
use crate::telemetry::metrics::{InUse, METRICS};

/// Buckets by name. Beyond the most there may be, new names share one: neither is the table without end, nor is anybody without a limit.
pub(super) struct Table<C: Clock> {
    rate: Option<Rate>,
    max_keys: usize,
    buckets: RwLock<HashMap<Box<str>, Entry<C>>>,
    shared: Arc<Bucket<C>>,
}

struct Entry<C: Clock> {
    bucket: Arc<Bucket<C>>,
    _counted: InUse,
}

impl<C: Clock + Clone> Table<C> {
    pub(super) fn new(rate: Option<Rate>, max_keys: usize, clock: &C) -> Self {
        Self { rate, max_keys, buckets: RwLock::default(), shared: Arc::new(Bucket::new(rate, clock)) }
    }

    /// The bucket of a name.
    pub(super) fn of(&self, name: &str, clock: &C) -> Arc<Bucket<C>> {
        if let Some(known) = self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return known.bucket.clone();
        }
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = buckets.get(name) {
            return known.bucket.clone();
        }
        if buckets.len() >= self.max_keys {
            return self.shared.clone();
        }
        let fresh = Arc::new(Bucket::new(self.rate, clock));
        let entry = Entry { bucket: fresh.clone(), _counted: InUse::of(&METRICS.limit_keys) };
        buckets.insert(name.into(), entry);
        fresh
    }

    /// Forgets the names whose buckets are as good as new. One that somebody is about to ask stays.
    pub(super) fn retain_recent(&self, clock: &C) {
        let now = clock.now();
        let in_use = |entry: &Entry<C>| Arc::strong_count(&entry.bucket) > 1 || !entry.bucket.is_idle(self.rate, now);
        self.buckets.write().unwrap_or_else(PoisonError::into_inner).retain(|_, entry| in_use(entry));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}
