use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::{
    super::{
        Admitted,
        settings::{RuleSettings, Window},
    },
    kit::*,
};
use crate::mcp::{Calendar, Fault, Limit, Per, Principal};

#[test]
fn a_call_waits_for_its_token_and_gets_it_when_it_is_there() {
    let (limits, clock) = limits(vec![queued(rate(Per::Endpoint, 1, Window::Second, 1), 9, 60)], 10);
    assert!(enters(&limits, "a"));
    let (mut first, mut second) = (Waits::of(&limits, "a"), Waits::of(&limits, "a"));
    clock.advance(SECOND / 2);
    assert!(first.poll().is_none() && second.poll().is_none());
    clock.advance(SECOND / 2);
    assert!(second.poll().is_none(), "not before the first");
    assert!(first.poll().unwrap().is_ok());
    assert!(second.poll().is_none());
    clock.advance(SECOND);
    assert!(second.poll().unwrap().is_ok());
    clock.advance(SECOND);
    assert!(enters(&limits, "a"), "nobody waits any more");
}

#[test]
fn principals_take_turns_in_the_queue_however_many_calls_one_of_them_sends() {
    let (limits, _) = limits(vec![queued(places(Per::Endpoint, 1), 99, 60)], 10);
    let mut held = Some(enter(&limits, "a").unwrap());
    let mut waiting: Vec<(&str, Waits)> =
        ["a", "a", "a", "a", "b", "c", "b"].map(|id| (id, Waits::of(&limits, id))).into();
    let mut order = String::new();
    while !waiting.is_empty() {
        drop(held.take());
        // Whoever has the turn learns of it in any order of polling.
        for at in (0..waiting.len()).rev() {
            if let Some(admission) = waiting[at].1.poll() {
                held = Some(admission.unwrap());
                order += waiting.remove(at).0;
                break;
            }
        }
    }
    assert_eq!(order, "abcabaa");
}

#[test]
fn a_full_queue_refuses_and_so_does_the_deadline() {
    let (limits, clock) = limits(vec![queued(places(Per::Endpoint, 1), 1, 2)], 10);
    let _held = enter(&limits, "a").unwrap();
    let mut waits = Waits::of(&limits, "a");
    let Admitted::Later(mut other) = limits.enter(&Principal::new("b"), None, "/mcp") else { panic!() };
    let Poll::Ready(Err(Fault::Limited(..))) = other.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("there is no room")
    };
    clock.advance(2 * SECOND);
    let Some(Err(Fault::Limited(Limit::Set(limit), _))) = waits.poll() else { panic!("its time is over") };
    assert_eq!(limit.to_string(), "1 at once per endpoint");
    let _room = Waits::of(&limits, "b");
}

#[test]
fn a_call_that_goes_leaves_the_queue_and_gives_nothing_back_twice() {
    let rules = vec![places(Per::Principal, 1), queued(places(Per::Endpoint, 1), 9, 60)];
    let (limits, _) = limits(rules, 10);
    let held = enter(&limits, "a").unwrap();
    let gone = Waits::of(&limits, "b");
    let mut stays = Waits::of(&limits, "c");
    assert!(now(limits.enter(&Principal::new("b"), None, "/mcp")).is_err(), "its place is held while it waits");
    drop(gone);
    drop(held);
    let kept = stays.poll().unwrap().unwrap();
    let mut next = Waits::of(&limits, "b");
    assert!(next.poll().is_none(), "there is one place, not two");
    drop(kept);
    assert!(next.poll().unwrap().is_ok());
}

#[test]
fn nobody_waits_for_a_token_that_cannot_come_in_time() {
    let (limits, clock) = limits(vec![queued(rate(Per::Endpoint, 1, Window::Minute, 1), 9, 2)], 10);
    assert!(enters(&limits, "a") && !enters(&limits, "a"));
    clock.advance(58 * SECOND);
    let mut waits = Waits::of(&limits, "a");
    clock.advance(2 * SECOND);
    assert!(waits.poll().unwrap().is_ok());
}

#[test]
fn nobody_passes_those_who_wait_and_nobody_waits_for_tomorrow() {
    let rules = vec![RuleSettings {
        quota: quota(Per::Principal, 2, Calendar::Day).quota,
        ..queued(rate(Per::Principal, 1, Window::Second, 1), 9, 60)
    }];
    let (limits, clock) = limits(rules, 10);
    assert!(enters(&limits, "a"));
    let mut first = Waits::of(&limits, "a");
    clock.advance(SECOND);
    let second = now(limits.enter(&Principal::new("a"), None, "/mcp"));
    assert!(second.is_err(), "the quota is used up by the one that waits");
    assert!(first.poll().unwrap().is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However calls come and go, a queue never lets in more than there are places, and serves each principal in order.
    #[test]
    fn a_queue_is_fair_and_bounded_whatever_happens(most in 1u32..4, script in prop::collection::vec((0usize..3, 0usize..4), 1..80)) {
        let (limits, _) = limits(vec![queued(places(Per::Endpoint, most), 8, 3600)], 10);
        let (mut inside, mut waiting) = (Vec::new(), Vec::<(usize, usize, Waits)>::new());
        for (number, (act, who)) in script.into_iter().enumerate() {
            match act {
                0 => match limits.enter(&Principal::new(&who.to_string()), None, "/mcp") {
                    Admitted::Now(admission) => inside.push(admission.unwrap()),
                    Admitted::Later(decided) => {
                        let mut waits = Waits(decided);
                        match waits.poll() {
                            None => waiting.push((who, number, waits)),
                            Some(decided) => prop_assert!(decided.is_err() && waiting.len() == 8),
                        }
                    }
                },
                1 if !inside.is_empty() => drop(inside.swap_remove(who % inside.len())),
                2 if !waiting.is_empty() => drop(waiting.remove(who % waiting.len())),
                _ => (),
            }
            // Until nobody gets in any more.
            while let Some(at) = (0..waiting.len()).find(|at| match waiting[*at].2.poll() {
                Some(admission) => { inside.push(admission.unwrap()); true }
                None => false,
            }) {
                let (who, number, _) = waiting.remove(at);
                prop_assert!(waiting.iter().all(|(other, earlier, _)| *other != who || *earlier > number));
            }
            prop_assert!(inside.len() <= usize::try_from(most).unwrap());
            prop_assert!(waiting.is_empty() || inside.len() == usize::try_from(most).unwrap(), "a place is free and somebody waits");
        }
    }
}
