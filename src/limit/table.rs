//! The names that a limit tells apart: bounded, and forgotten when it makes no difference.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
};

use super::{bucket::Bucket, settings::Rate, time::Time};
use crate::telemetry::metrics::{InUse, METRICS};

/// Buckets by name. Beyond the most there may be, new names share one: neither is the table without end, nor is anybody without a limit.
pub(super) struct Table<T: Time> {
    rate: Option<Rate>,
    max_keys: usize,
    /// Among how many gateways the limit is divided.
    pub(super) share: NonZeroU32,
    buckets: RwLock<HashMap<Box<[u8]>, Entry<T>>>,
    shared: Arc<Bucket<T>>,
}

struct Entry<T: Time> {
    bucket: Arc<Bucket<T>>,
    _counted: InUse,
}

impl<T: Time> Table<T> {
    pub(super) fn new(rate: Option<Rate>, max_keys: usize, share: NonZeroU32, clock: &T) -> Self {
        let shared = Arc::new(Bucket::new(rate, share, clock));
        Self { rate, max_keys, share, buckets: RwLock::default(), shared }
    }

    /// The same table with other shares, everything forgotten.
    pub(super) fn divided(&self, share: NonZeroU32, clock: &T) -> Self {
        Self::new(self.rate, self.max_keys, share, clock)
    }

    /// The bucket of a name; of a quota that `spent` knows of something was taken already.
    pub(super) fn of(&self, name: &[u8], clock: &T, spent: impl FnOnce() -> Option<(u64, u64)>) -> Arc<Bucket<T>> {
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
        let fresh = Bucket::new(self.rate, self.share, clock);
        let fresh = Arc::new(match spent() {
            Some(spent) => fresh.having_spent(spent),
            None => fresh,
        });
        let entry = Entry { bucket: fresh.clone(), _counted: InUse::of(&METRICS.limit_keys) };
        buckets.insert(name.into(), entry);
        fresh
    }

    /// What was taken of a quota, by name: until when that counts, and how much.
    pub(super) fn spent<R>(&self, clock: &T, each: impl Fn(&[u8], (u64, u64)) -> R) -> Vec<R> {
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        buckets.iter().filter_map(|(name, entry)| Some(each(name, entry.bucket.spent(clock)?))).collect()
    }

    /// Forgets the names whose buckets are as good as new. One that somebody is about to ask stays.
    pub(super) fn retain_recent(&self, clock: &T) {
        let in_use = |entry: &Entry<T>| {
            Arc::strong_count(&entry.bucket) > 1 || !entry.bucket.is_idle(self.rate, self.share, clock)
        };
        self.buckets.write().unwrap_or_else(PoisonError::into_inner).retain(|_, entry| in_use(entry));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}
