//! The names that a limit tells apart: bounded, and forgotten when it makes no difference.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use governor::clock::Clock;

use super::{bucket::Bucket, settings::Rate};

/// Buckets by name. Beyond the most there may be, new names share one: neither is the table without end, nor is anybody without a limit.
pub(super) struct Table<C: Clock> {
    rate: Option<Rate>,
    max_keys: usize,
    buckets: RwLock<HashMap<Box<str>, Arc<Bucket<C>>>>,
    shared: Arc<Bucket<C>>,
}

impl<C: Clock + Clone> Table<C> {
    pub(super) fn new(rate: Option<Rate>, max_keys: usize, clock: &C) -> Self {
        Self { rate, max_keys, buckets: RwLock::default(), shared: Arc::new(Bucket::new(rate, clock)) }
    }

    /// The bucket of a name.
    pub(super) fn of(&self, name: &str, clock: &C) -> Arc<Bucket<C>> {
        if let Some(known) = self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return known.clone();
        }
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = buckets.get(name) {
            return known.clone();
        }
        if buckets.len() >= self.max_keys {
            return self.shared.clone();
        }
        let fresh = Arc::new(Bucket::new(self.rate, clock));
        buckets.insert(name.into(), fresh.clone());
        fresh
    }

    /// Forgets the names whose buckets are as good as new. One that somebody is about to ask stays.
    pub(super) fn retain_recent(&self, clock: &C) {
        let now = clock.now();
        let in_use = |bucket: &Arc<Bucket<C>>| Arc::strong_count(bucket) > 1 || !bucket.is_idle(self.rate, now);
        self.buckets.write().unwrap_or_else(PoisonError::into_inner).retain(|_, bucket| in_use(bucket));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}
