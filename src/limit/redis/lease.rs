//! The places in Redis that calls of this gateway hold.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use smallvec::SmallVec;
use tokio::sync::Notify;

/// A key, and the member of it that is held.
pub(super) type Place = (String, String);

/// What is held, and what is no longer. Both are bounded by the calls in flight: what is given back is gathered only until the keeper
/// comes, and forgotten while Redis is away, where it runs out.
#[derive(Debug, Default)]
pub(super) struct Leases {
    state: Mutex<State>,
    returned: Notify,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<u64, Asked>,
    returned: Vec<Place>,
    next: u64,
}

/// Places that were asked for.
#[derive(Debug)]
struct Asked {
    places: SmallVec<[Place; 1]>,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nobody knows yet whether they were got.
    Unanswered,
    Got,
}

/// Places that are held, or about to be. Dropped, they are given back.
#[derive(Debug)]
pub(super) struct Held {
    leases: Arc<Leases>,
    number: u64,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other call of this gateway has.
    pub(super) fn next(&self) -> u64 {
        let mut state = self.lock();
        state.next += 1;
        state.next
    }

    /// Holds places. To be called before they are asked for: a call that is dropped before the answer may have got them.
    pub(super) fn hold(self: &Arc<Self>, number: u64, places: SmallVec<[Place; 1]>) -> Held {
        self.lock().held.insert(number, Asked { places, standing: Standing::Unanswered });
        Held { leases: self.clone(), number }
    }

    /// All that is held for certain: what is only asked for may be refused, and would be taken by being renewed.
    pub(super) fn held(&self) -> Vec<Place> {
        let state = self.lock();
        let got = state.held.values().filter(|asked| asked.standing == Standing::Got);
        got.flat_map(|asked| &asked.places).cloned().collect()
    }

    /// What was given back since this was asked.
    pub(super) fn returned(&self) -> Vec<Place> {
        std::mem::take(&mut self.lock().returned)
    }

    /// Ready when something was given back.
    pub(super) async fn changed(&self) {
        self.returned.notified().await;
    }
}

impl Held {
    /// They were got.
    pub(super) fn got(self) -> Self {
        if let Some(asked) = self.leases.lock().held.get_mut(&self.number) {
            asked.standing = Standing::Got;
        }
        self
    }

    /// They were not got: there is nothing to give back.
    pub(super) fn forget(self) {
        self.leases.lock().held.remove(&self.number);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.leases.lock();
        if let Some(asked) = state.held.remove(&self.number) {
            state.returned.extend(asked.places);
            self.leases.returned.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back_once_and_what_was_not_got_is_not() {
        let leases = Arc::new(Leases::default());
        let place = |name: &str| (name.to_owned(), "m".to_owned());
        let hold = |name: &str| leases.hold(leases.next(), SmallVec::from_iter([place(name)]));
        let (kept, dropped, refused) = (hold("a").got(), hold("b"), hold("c"));
        assert_eq!(leases.held(), [place("a")], "what is not answered yet is not renewed");
        drop(dropped);
        refused.forget();
        assert_eq!((leases.held(), leases.returned()), (vec![place("a")], vec![place("b")]));
        assert!(leases.returned().is_empty());
        drop(kept);
        assert_eq!(leases.returned(), [place("a")]);
    }
}
