//! Decisions that were made before: bounded, and forgotten with the rules.
//!
//! What is remembered depends on neither arguments, client nor time. It is found by who asks and what for: the number under which it is
//! kept is a hash under two keys that nobody outside knows, 128 bits wide, so that nobody finds another's. Two generations, as in the
//! memory of tokens: what is used stays.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{Mutex, PoisonError},
};

use crate::{
    mcp::Principal,
    telemetry::metrics::{InUse, METRICS},
};

use super::asked::{Asked, Subject};

/// Parts with a lock each, so that calls on several cores do not wait for each other.
const SHARDS: usize = 16;

/// What was decided.
pub(super) struct Memory<T> {
    shards: [Mutex<Generations<T>>; SHARDS],
    /// Of one generation of one part.
    capacity: usize,
    keys: (RandomState, RandomState),
}

type Key = [u64; 2];

struct Generations<T> {
    young: HashMap<Key, Entry<T>>,
    old: HashMap<Key, Entry<T>>,
}

struct Entry<T> {
    decided: T,
    /// Kept, so that the number it goes by is nobody else's meanwhile.
    _principal: Principal,
    _counted: InUse,
}

impl<T: Clone> Memory<T> {
    pub(super) fn new(most: usize) -> Self {
        let shards = std::array::from_fn(|_| Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }));
        Self { shards, capacity: (most / (2 * SHARDS)).max(1), keys: (RandomState::new(), RandomState::new()) }
    }

    /// What was decided, or what `decide` says, which is remembered.
    pub(super) fn find(&self, asked: &Asked<'_>, decide: impl FnOnce() -> T) -> T {
        let key = [number(&self.keys.0, asked), number(&self.keys.1, asked)];
        let Some(shard) = usize::try_from(key[0] % 16).ok().and_then(|place| self.shards.get(place)) else {
            return decide();
        };
        if let Some(known) = shard.lock().unwrap_or_else(PoisonError::into_inner).find(key, self.capacity) {
            return known;
        }
        let decided = decide();
        let counted = InUse::of(&METRICS.policy_remembered);
        let entry = Entry { decided: decided.clone(), _principal: asked.principal.clone(), _counted: counted };
        shard.lock().unwrap_or_else(PoisonError::into_inner).insert(key, entry, self.capacity);
        decided
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let len = |shard: &Mutex<Generations<T>>| {
            let shard = shard.lock().unwrap();
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(len).sum()
    }
}

impl<T: Clone> Generations<T> {
    fn find(&mut self, key: Key, capacity: usize) -> Option<T> {
        if let Some(entry) = self.young.get(&key) {
            return Some(entry.decided.clone());
        }
        let entry = self.old.remove(&key)?;
        let decided = entry.decided.clone();
        self.insert(key, entry, capacity);
        Some(decided)
    }

    fn insert(&mut self, key: Key, entry: Entry<T>, capacity: usize) {
        if self.young.len() >= capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, entry);
    }
}

/// The number of a question. Its parts are of fixed length or end where no text goes on.
fn number(key: &RandomState, asked: &Asked<'_>) -> u64 {
    let mut hasher = key.build_hasher();
    let Asked { principal, endpoint, server, subject } = asked;
    (principal.face(), endpoint, server).hash(&mut hasher);
    match subject {
        Subject::Tool(thing) => (0u8, thing.name, thing.own, thing.version).hash(&mut hasher),
        Subject::Prompt(thing) => (1u8, thing.name, thing.own, thing.version).hash(&mut hasher),
        Subject::Resource(uri) => (2u8, uri).hash(&mut hasher),
        Subject::Some(kind) => (3u8, kind).hash(&mut hasher),
        Subject::Method(method) => (4u8, method).hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{
        super::asked::{Subject, Thing},
        *,
    };

    /// The default of `policy.maxRemembered` is made for this.
    #[test]
    fn what_fifty_principals_ask_of_450_things_is_decided_once() {
        let memory = Memory::new(50_000);
        let principals: Vec<Principal> = (0..50).map(|id: u32| Principal::new(&id.to_string())).collect();
        let names: Vec<String> = (0..450).map(|number: u32| format!("tool-{number}")).collect();
        let decided = Cell::new(0);
        for _ in 0..3 {
            for principal in &principals {
                for name in &names {
                    let subject = Subject::Tool(Thing { name, own: name, entry: None, version: 1 });
                    let asked = Asked { principal, endpoint: "/mcp", server: "up", subject };
                    memory.find(&asked, || decided.set(decided.get() + 1));
                }
            }
        }
        assert_eq!(decided.get(), 50 * 450);
        assert_eq!(memory.len(), 50 * 450);
    }
}
