//! A table that is bounded in number: when it is full, what was not used for longest goes, half of it at a time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

/// Values by their keys. What is in use is found in the old half and moves on.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    halves: Mutex<(HashMap<K, V>, HashMap<K, V>)>,
    /// Of one half.
    capacity: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> Generations<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { halves: Mutex::default(), capacity: (capacity / 2).max(1) }
    }

    /// The value of a key; made if there is none.
    pub(super) fn get_or(&self, key: &K, make: impl FnOnce() -> V) -> V {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let (young, old) = &mut *halves;
        if let Some(value) = young.get(key) {
            return value.clone();
        }
        let value = old.remove(key).unwrap_or_else(make);
        if young.len() >= self.capacity {
            *old = std::mem::take(young);
        }
        young.insert(key.clone(), value.clone());
        value
    }

    /// How many there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        let halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        halves.0.len() + halves.1.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_its_bound_and_keeps_what_is_used() {
        let table = Generations::new(8);
        table.get_or(&0, || 7);
        for key in 1..100 {
            table.get_or(&key, || key);
            assert_eq!(table.get_or(&0, || unreachable!()), 7);
            assert!(table.len() <= 8);
        }
    }
}
