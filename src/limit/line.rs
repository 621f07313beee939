//! The queue before one name's limit: bounded, first come first served for each principal, and in turns between principals.
//!
//! Only who is at its head tries to get in; the others wait for their turn. Whoever leaves, let in or not, makes room: nothing has to be
//! given back, since nothing was taken.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use crate::telemetry::metrics::{InUse, METRICS};

/// A queue.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Those who wait, by whom they wait for, in the order of their turns. The first of the first is at the head; none is empty.
    parties: VecDeque<Party>,
    next: u64,
}

#[derive(Debug)]
struct Party {
    who: Arc<[u8]>,
    members: VecDeque<Member>,
}

#[derive(Debug)]
struct Member {
    number: u64,
    turn: Arc<Notify>,
}

/// A place in a queue. Dropped, it is left.
#[derive(Debug)]
pub(super) struct Ticket {
    line: Arc<Line>,
    number: u64,
    turn: Arc<Notify>,
    _counted: InUse,
}

impl Line {
    /// Whether somebody waits: then nobody may pass.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place at the end of the queue of `who`; none when `max` wait already.
    pub(super) fn join(self: &Arc<Self>, who: &Arc<[u8]>, max: usize) -> Option<Ticket> {
        let mut state = self.lock();
        if self.waiting.load(Ordering::Acquire) >= max {
            return None;
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let (number, turn) = (state.next, Arc::new(Notify::new()));
        state.next += 1;
        if state.parties.is_empty() {
            turn.notify_one();
        }
        let member = Member { number, turn: turn.clone() };
        match state.parties.iter_mut().find(|party| party.who == *who) {
            Some(party) => party.members.push_back(member),
            None => state.parties.push_back(Party { who: who.clone(), members: VecDeque::from([member]) }),
        }
        Some(Ticket { line: self.clone(), number, turn, _counted: InUse::of(&METRICS.limit_waiting) })
    }
}

impl State {
    fn head(&self) -> Option<&Member> {
        self.parties.front()?.members.front()
    }

    /// Takes somebody out. Who was at the head has had a turn: the next one is somebody else's.
    fn leave(&mut self, number: u64) {
        let was_head = self.head().is_some_and(|head| head.number == number);
        for party in &mut self.parties {
            party.members.retain(|member| member.number != number);
        }
        if was_head {
            self.parties.rotate_left(1);
        }
        self.parties.retain(|party| !party.members.is_empty());
        if was_head && let Some(head) = self.head() {
            head.turn.notify_one();
        }
    }
}

impl Ticket {
    /// Ready when the turn has come. To be waited for once.
    pub(super) async fn turn(&self) {
        self.turn.notified().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.line.lock().leave(self.number);
        self.line.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> Arc<[u8]> {
        name.as_bytes().into()
    }

    /// The names in the order in which they have their turns.
    fn order(joined: &[&str]) -> String {
        let line = Arc::new(Line::default());
        let mut tickets: Vec<_> =
            joined.iter().map(|name| (name.to_string(), line.join(&who(&name[..1]), 100).unwrap())).collect();
        let mut order = Vec::new();
        while !tickets.is_empty() {
            let head = line.lock().head().unwrap().number;
            let at = tickets.iter().position(|(_, ticket)| ticket.number == head).unwrap();
            order.push(tickets.remove(at).0);
        }
        assert!(!line.is_busy() && line.lock().parties.is_empty());
        order.join(" ")
    }

    #[test]
    fn principals_take_turns_and_each_is_served_in_order() {
        assert_eq!(order(&["a1", "a2", "a3", "b1", "c1", "b2"]), "a1 b1 c1 a2 b2 a3");
        assert_eq!(order(&["a1", "a2", "a3"]), "a1 a2 a3");
    }

    #[test]
    fn the_queue_is_bounded_and_who_leaves_makes_room() {
        let line = Arc::new(Line::default());
        let first = line.join(&who("a"), 2).unwrap();
        let second = line.join(&who("b"), 2).unwrap();
        assert!(line.join(&who("c"), 2).is_none());
        drop(first);
        assert_eq!(line.lock().head().unwrap().number, second.number);
        let _third = line.join(&who("c"), 2).unwrap();
        drop(second);
        assert!(line.is_busy());
    }

    #[tokio::test]
    async fn the_turn_of_who_leaves_in_the_middle_is_nobodys() {
        let line = Arc::new(Line::default());
        let [first, second, third] = ["a", "b", "c"].map(|name| line.join(&who(name), 9).unwrap());
        first.turn().await;
        drop(second);
        drop(first);
        third.turn().await;
    }
}
