use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use proptest::prelude::*;

use super::{super::settings::Window, kit::*};
use crate::mcp::{Calendar, Fault, Limit, Per, Span};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_quota_is_exact_whoever_comes_at_once_and_whole_again_after_midnight(
        most in 1u64..60, threads in 1usize..6, days in 1u32..800,
    ) {
        let (limits, clock) = limits(vec![quota(Per::Principal, most, Calendar::Day)], 10);
        let storm = || {
            let entered = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        let own = (0..most + 5).filter(|_| enters(&limits, "a")).count();
                        entered.fetch_add(own, Ordering::Relaxed);
                    });
                }
            });
            u64::try_from(entered.into_inner()).unwrap()
        };
        prop_assert_eq!(storm(), most);
        clock.advance(DAY.checked_sub(SECOND).unwrap());
        prop_assert_eq!(storm(), 0);
        clock.advance(SECOND);
        prop_assert_eq!(storm(), most);
        clock.advance(DAY * days);
        prop_assert_eq!(storm(), most);
    }
}

#[test]
fn a_month_ends_with_its_last_day_and_a_refusal_says_when() {
    let (limits, clock) = limits(vec![quota(Per::Principal, 1, Calendar::Month)], 10);
    assert!(enters(&limits, "a"));
    clock.advance((31 * DAY).checked_sub(SECOND).unwrap());
    let Err(Fault::Limited(Limit::Set(limit), after)) = enter(&limits, "a") else { panic!("it was let in") };
    assert_eq!((limit.to_string().as_str(), after), ("1 a month per principal", SECOND));
    let Span::Calendar { length, resets, .. } = limit.span else { panic!("{limit:?}") };
    assert_eq!((length, resets), (31 * DAY, 31 * DAY));
    clock.advance(SECOND);
    assert!(enters(&limits, "a") && !enters(&limits, "a"));
    clock.advance(28 * DAY);
    assert!(enters(&limits, "a"), "February of 1970 has 28 days");
}

#[test]
fn a_call_that_is_refused_after_all_takes_nothing_of_a_quota() {
    let rules = vec![quota(Per::Principal, 3, Calendar::Day), rate(Per::Endpoint, 1, Window::Second, 1)];
    let (limits, clock) = limits(rules, 10);
    for _ in 0..3 {
        assert!(enters(&limits, "a"));
        assert!((0..9).all(|_| !enters(&limits, "a")), "the rate is used up");
        clock.advance(SECOND);
    }
    assert!(!enters(&limits, "a"));
}

#[test]
fn a_name_whose_quota_was_used_is_remembered_until_it_is_whole_again() {
    let (limits, clock) = limits(vec![quota(Per::Principal, 1, Calendar::Day)], 10);
    assert!(enters(&limits, "a"));
    clock.advance(DAY.checked_sub(SECOND).unwrap());
    limits.retain_recent();
    assert!(!enters(&limits, "a"));
    clock.advance(SECOND);
    limits.retain_recent();
    assert_eq!(limits.keys(), 0);
}

#[test]
fn what_was_taken_of_a_quota_counts_after_a_restart_for_that_name_and_that_day_alone() {
    let rules = || vec![quota(Per::Principal, 3, Calendar::Day), rate(Per::Principal, 9, Window::Second, 9)];
    let (before, _clock) = limits(rules(), 10);
    for id in ["a", "a", "b"] {
        assert!(enters(&before, id));
    }
    let taken = before.taken();
    assert_eq!(taken.len(), 2);
    assert!(!format!("{taken:?}").contains("\"a\""), "no name is written");
    let (after, clock) = limits(rules(), 10);
    after.restore(&taken);
    let mut again = after.taken();
    again.sort();
    let mut known = taken.clone();
    known.sort();
    assert_eq!(again, known, "what nobody came for yet is kept");
    assert!(enters(&after, "a") && !enters(&after, "a"));
    assert_eq!((0..4).filter(|_| enters(&after, "b")).count(), 2);
    assert_eq!((0..4).filter(|_| enters(&after, "c")).count(), 3);
    clock.advance(DAY);
    assert!(after.taken().is_empty());
    assert_eq!((0..4).filter(|_| enters(&after, "a")).count(), 3);
    let (other, _clock) = limits(vec![quota(Per::Address, 3, Calendar::Day)], 10);
    other.restore(&taken);
    assert!(other.taken().is_empty(), "another limit has taken nothing");
    let (small, _clock) = limits(rules(), 1);
    small.restore(&taken);
    assert_eq!(small.taken().len(), 1, "no more than the table holds");
}
