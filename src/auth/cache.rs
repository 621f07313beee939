//! What is known of tokens, by their digest: bounded in number and in time.
//!
//! Two generations: when the young one is full, the old one goes as a whole. A token in use is found in the old one and moves on, so
//! that those which are used stay, and nothing has to be searched for what is oldest.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{Context, SHA256};

/// What a token is remembered by: never itself.
pub(super) type Digest = [u8; 32];

/// What is known of tokens.
pub(super) struct Cache<T> {
    generations: Mutex<Generations<T>>,
    /// Of one generation.
    capacity: usize,
    longest: Duration,
}

struct Generations<T> {
    young: HashMap<Digest, Remembered<T>>,
    old: HashMap<Digest, Remembered<T>>,
}

/// Something that holds for a while.
#[derive(Clone, Debug)]
pub(super) struct Remembered<T> {
    pub(super) what: T,
    pub(super) until: Instant,
}

/// The digest of a token presented at a resource.
pub(super) fn digest(token: &str, resource: &str) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(token.as_bytes());
    // No token contains it.
    context.update(b"\n");
    context.update(resource.as_bytes());
    context.finish().as_ref().try_into().unwrap_or_default()
}

impl<T: Clone> Cache<T> {
    pub(super) fn new(capacity: usize, longest: Duration) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { generations: Mutex::new(generations), capacity: (capacity / 2).max(1), longest }
    }

    /// What is known of a token, if that still holds.
    pub(super) fn find(&self, digest: &Digest, now: Instant) -> Option<Remembered<T>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = generations.young.get(digest) {
            return (now < entry.until).then(|| entry.clone());
        }
        let entry = generations.old.remove(digest).filter(|entry| now < entry.until)?;
        generations.insert(self.capacity, *digest, entry.clone());
        Some(entry)
    }

    /// Remembers it for as long as it holds, and no longer than the longest time.
    pub(super) fn insert(&self, digest: Digest, what: T, holds_for: Option<Duration>, now: Instant) -> Remembered<T> {
        let keep = holds_for.map_or(self.longest, |holds| holds.min(self.longest));
        let entry = Remembered { what, until: now + keep };
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(self.capacity, digest, entry.clone());
        entry
    }
}

impl<T> Generations<T> {
    fn insert(&mut self, capacity: usize, digest: Digest, entry: Remembered<T>) {
        if self.young.len() >= capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn forgets_at_the_end_of_the_token_or_of_its_own_patience() {
        let (cache, now) = (Cache::new(10, HOUR), crate::clock::now());
        let (short, long) = (digest("a", "/mcp"), digest("b", "/mcp"));
        cache.insert(short, "a", Some(Duration::from_secs(5)), now);
        cache.insert(long, "b", None, now);
        assert!(cache.find(&short, now + Duration::from_secs(4)).is_some());
        assert!(cache.find(&short, now + Duration::from_secs(5)).is_none());
        assert!(cache.find(&long, now + HOUR.saturating_sub(Duration::from_secs(1))).is_some());
        assert!(cache.find(&long, now + HOUR).is_none());
    }

    #[test]
    fn stays_within_its_bound_and_keeps_what_is_used() {
        let (cache, now) = (Cache::new(8, HOUR), crate::clock::now());
        let used = digest("used", "/mcp");
        cache.insert(used, 0, None, now);
        for number in 1..=100 {
            cache.insert(digest(&number.to_string(), "/mcp"), number, None, now);
            assert!(cache.find(&used, now).is_some());
            let generations = cache.generations.lock().unwrap();
            assert!(generations.young.len() + generations.old.len() <= 8);
        }
    }

    #[test]
    fn a_token_is_remembered_for_one_resource_only() {
        assert_ne!(digest("t", "/a"), digest("t", "/b"));
    }
}
