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
