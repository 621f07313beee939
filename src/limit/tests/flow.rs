use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use proptest::prelude::*;

use super::{
    super::settings::{LimitSettings, Window},
    kit::*,
};
use crate::mcp::{Calendar, Fault, Limit, Per};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_burst_is_let_in_to_the_last_and_not_one_more_whoever_comes_at_once(
        burst in 1u32..60, count in 1u32..200, threads in 1usize..6,
    ) {
        let (limits, clock) = limits(vec![rate(Per::Principal, count, Window::Minute, burst)], 10);
        let storm = || {
            let entered = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        let own = (0..burst + 5).filter(|_| enters(&limits, "a")).count();
                        entered.fetch_add(own, Ordering::Relaxed);
                    });
                }
            });
            u32::try_from(entered.into_inner()).unwrap()
        };
        prop_assert_eq!(storm(), burst);
        // One is back after each interval.
        let interval = Duration::from_secs(60) / count;
        clock.advance(interval);
        prop_assert_eq!(storm(), 1);
        clock.advance(interval * burst * 2);
        prop_assert_eq!(storm(), burst);
    }

    #[test]
    fn no_more_are_inside_than_there_are_places(most in 1u32..20, more in 1usize..20) {
        let (limits, _) = limits(vec![places(Per::Endpoint, most)], 10);
        let mut inside: Vec<_> = (0..most).map(|_| enter(&limits, "a").unwrap()).collect();
        for _ in 0..more {
            prop_assert!(!enters(&limits, "b"));
        }
        inside.pop();
        prop_assert!(enters(&limits, "b"));
    }
}

#[test]
fn a_refusal_says_which_limit_and_when_to_come_back() {
    let (limits, clock) = limits(vec![places(Per::Principal, 9), rate(Per::Endpoint, 1, Window::Minute, 1)], 10);
    assert!(enters(&limits, "a"));
    clock.advance(10 * SECOND);
    let Err(Fault::Limited(Limit::Set(limit), after)) = enter(&limits, "b") else { panic!("it was let in") };
    assert_eq!((limit.policy().as_str(), after), ("endpoint-2", 50 * SECOND));
    assert_eq!(limit.to_string(), "1 in 60 s per endpoint");
}

#[test]
fn the_table_is_bounded_and_beyond_its_bound_names_share_one_count() {
    let (limits, clock) = limits(vec![rate(Per::Principal, 1, Window::Second, 1)], 2);
    assert!(enters(&limits, "a") && enters(&limits, "b"));
    assert!(enters(&limits, "c"), "the first of those that share");
    assert!(!enters(&limits, "d"));
    assert_eq!(limits.keys(), 2);
    clock.advance(SECOND);
    assert!(enters(&limits, "a"));
    limits.retain_recent();
    assert_eq!(limits.keys(), 1, "the one that has nothing left to forget");
    assert!(!enters(&limits, "a"), "forgetting gives nothing back");
}

#[test]
fn a_name_that_holds_a_place_is_not_forgotten() {
    let (limits, clock) = limits(vec![places(Per::Principal, 1)], 2);
    let held = enter(&limits, "a").unwrap();
    clock.advance(3600 * SECOND);
    limits.retain_recent();
    assert!(!enters(&limits, "a"));
    drop(held);
    limits.retain_recent();
    assert_eq!(limits.keys(), 0);
}

#[test]
fn other_settings_hold_at_once_and_what_stays_goes_on_counting() {
    let kept = rate(Per::Principal, 1, Window::Hour, 1);
    let (limits, _) = limits(vec![kept.clone(), places(Per::Endpoint, 1)], 10);
    assert!(enters(&limits, "a"));
    limits.set(&LimitSettings { rules: vec![kept], max_keys: 10 }).unwrap();
    assert!(!enters(&limits, "a"));
    limits.set(&LimitSettings::default()).unwrap();
    assert!((0..100).all(|_| enters(&limits, "a")));
}

#[test]
fn a_call_that_finds_no_place_takes_nothing_from_a_bucket() {
    let (limits, _) = limits(vec![rate(Per::Principal, 1, Window::Hour, 2), places(Per::Endpoint, 1)], 10);
    let held = enter(&limits, "a").unwrap();
    assert!((0..10).all(|_| !enters(&limits, "a")));
    drop(held);
    assert!(enters(&limits, "a"));
    assert!(!enters(&limits, "a"));
}

#[test]
fn a_limit_goes_on_counting_where_others_come_before_it() {
    let kept = quota(Per::Principal, 1, Calendar::Month);
    let (limits, _) = limits(vec![kept.clone()], 10);
    assert!(enters(&limits, "a"));
    limits.set(&LimitSettings { rules: vec![places(Per::Endpoint, 9), kept], max_keys: 10 }).unwrap();
    assert!(!enters(&limits, "a"));
}
