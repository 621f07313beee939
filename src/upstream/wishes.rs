//! Which resources a group's listeners wish to hear of, and what the server granted. Counted and numbered: a grant from before a
//! wish says nothing about it.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{Mutex, watch};

use crate::mcp::Filter;

/// One resource that somebody wishes to hear of.
#[derive(Clone, Copy)]
struct Wish {
    listeners: usize,
    /// The state of the wishes in which it first stood.
    since: u64,
}

/// All that is wished for, with a number that grows by each change.
#[derive(Clone, Default)]
pub(super) struct Wanted {
    generation: u64,
    wishes: BTreeMap<String, Wish>,
}

impl Wanted {
    pub(super) fn uris(&self) -> impl Iterator<Item = &String> {
        self.wishes.keys()
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }
}

/// What a server said to the wishes of a generation. `None`: nothing was said yet.
type Granted = Option<(u64, Filter)>;

/// The wishes of all listeners of a group.
#[derive(Default)]
pub(super) struct Wishes {
    wanted: watch::Sender<Wanted>,
    granted: watch::Sender<Granted>,
    /// What a legacy server was told. Held while it is told more, so that what it hears last is what is wished for.
    pub(super) told: Mutex<BTreeSet<String>>,
    /// Held by the subscription that speaks for the group: several peers would tell each change several times.
    pub(super) turn: Mutex<()>,
}

impl Wishes {
    /// Counts a wish. The generation from which a grant answers it.
    pub(super) fn wish(&self, uri: &str) -> u64 {
        let mut since = 0;
        self.wanted.send_if_modified(|wanted| {
            let next = wanted.generation + 1;
            let wish = wanted.wishes.entry(uri.to_owned()).or_insert(Wish { listeners: 0, since: next });
            wish.listeners += 1;
            since = wish.since;
            let is_first = wish.listeners == 1;
            if is_first {
                wanted.generation = next;
            }
            is_first
        });
        since
    }

    /// Takes a wish back. Whether it was the last one for this resource.
    pub(super) fn take_back(&self, uri: &str) -> bool {
        self.wanted.send_if_modified(|wanted| {
            let Some(wish) = wanted.wishes.get_mut(uri) else { return false };
            wish.listeners -= 1;
            let was_last = wish.listeners == 0;
            if was_last {
                wanted.wishes.remove(uri);
                wanted.generation += 1;
            }
            was_last
        })
    }

    pub(super) fn is_wished(&self, uri: &str) -> bool {
        self.wanted.borrow().wishes.contains_key(uri)
    }

    /// All resources that are wished for now.
    pub(super) fn uris(&self) -> Vec<String> {
        self.wanted.borrow().uris().cloned().collect()
    }

    /// Follows the wishes.
    pub(super) fn follow(&self) -> watch::Receiver<Wanted> {
        self.wanted.subscribe()
    }

    /// Records what the server granted to the wishes of `generation`.
    pub(super) fn grant(&self, generation: u64, filter: Filter) {
        self.granted.send_replace(Some((generation, filter)));
    }

    /// Waits until the server said anything.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn answered(&self) {
        let _ = self.granted.subscribe().wait_for(Option::is_some).await;
    }

    /// Waits for the answer to a wish of the generation `since`: whether it was granted.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn is_granted(&self, uri: &str, since: u64) -> bool {
        let mut granted = self.granted.subscribe();
        let answers = |granted: &Granted| granted.as_ref().is_some_and(|(generation, _)| *generation >= since);
        let answer = granted.wait_for(answers).await;
        answer.is_ok_and(|answer| answer.as_ref().is_some_and(|(_, filter)| filter.wants_resource(uri)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;

    const URI: &str = "file:///a";

    fn filter(uris: &[&str]) -> Filter {
        Filter { uris: uris.iter().map(|uri| (*uri).to_owned()).collect(), ..Filter::default() }
    }

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(future).poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn a_grant_from_before_the_wish_does_not_answer_it() {
        let wishes = Wishes::default();
        let first = wishes.wish(URI);
        wishes.grant(first, filter(&[URI]));
        assert_eq!(now(wishes.is_granted(URI, first)), Some(true));
        assert!(wishes.take_back(URI));
        let again = wishes.wish(URI);
        assert_eq!(now(wishes.is_granted(URI, again)), None, "the old grant is not of this wish");
        wishes.grant(again, filter(&[URI]));
        assert_eq!(now(wishes.is_granted(URI, again)), Some(true));
    }

    #[test]
    fn a_second_listener_shares_the_first_ones_grant() {
        let wishes = Wishes::default();
        let first = wishes.wish(URI);
        wishes.grant(first, filter(&[URI]));
        assert_eq!(wishes.wish(URI), first);
        assert!(!wishes.take_back(URI), "the other still listens");
        assert!(wishes.is_wished(URI));
        assert!(wishes.take_back(URI));
        assert!(!wishes.is_wished(URI));
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let wishes = Wishes::default();
        let since = wishes.wish(URI);
        wishes.grant(since, filter(&[]));
        assert_eq!(now(wishes.is_granted(URI, since)), Some(false));
    }

    #[test]
    fn taking_back_what_was_not_wished_changes_nothing() {
        let wishes = Wishes::default();
        assert!(!wishes.take_back(URI));
        assert_eq!(wishes.follow().borrow().generation(), 0);
    }
}
