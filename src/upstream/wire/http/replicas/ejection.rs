//! Which replicas are left out because calls to them failed, and for how long: a state machine that is told what happened and when.
//!
//! Failures in a row leave a replica out; each time that it comes back and fails at once, for twice as long. A share of the replicas is
//! never left out, however many fail: the rest would break down under what they cannot carry.
//!
//! Source: the rules of outlier detection that Envoy documents (consecutive failures, growing time, `max_ejection_percent`).

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::upstream::settings::EjectionSettings;

/// What is held against the replicas of one server.
#[derive(Debug)]
pub(super) struct Ejections {
    settings: EjectionSettings,
    /// How many replicas there are.
    size: usize,
    /// Those that something is held against.
    entries: HashMap<u64, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    /// In a row.
    failures: usize,
    /// Times that it was left out, each soon after the last.
    times: u32,
    /// Until when it is left out, or was.
    until: Option<Instant>,
}

impl Entry {
    fn out_for(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

impl Ejections {
    pub(super) fn new(settings: EjectionSettings) -> Self {
        Self { settings, size: 0, entries: HashMap::new() }
    }

    /// These are the replicas from now on.
    pub(super) fn retain(&mut self, ids: &[u64]) {
        self.size = ids.len();
        self.entries.retain(|id, _| ids.contains(id));
    }

    /// A request to it failed. For how long it is left out from now on, if it is.
    pub(super) fn failed(&mut self, id: u64, now: Instant) -> Option<Duration> {
        if self.settings.failures == 0 {
            return None;
        }
        let most_out = self.size.saturating_mul(self.settings.max_share) / 100;
        let is_room = self.out(now) < most_out;
        let settings = &self.settings;
        let entry = self.entries.entry(id).or_default();
        if entry.out_for(now).is_some() {
            // Sent before it was left out.
            return None;
        }
        entry.failures = entry.failures.saturating_add(1);
        if entry.failures < settings.failures || !is_room {
            return None;
        }
        let is_calm = entry.until.is_none_or(|until| now.saturating_duration_since(until) > settings.max_time);
        entry.times = if is_calm { 1 } else { entry.times.saturating_add(1) };
        let time = settings.time.saturating_mul(1 << (entry.times - 1).min(16)).min(settings.max_time);
        entry.until = Some(now + time);
        // When it comes back, the first failure is enough.
        entry.failures = settings.failures - 1;
        Some(time)
    }

    /// A request to it was answered as it should be.
    pub(super) fn succeeded(&mut self, id: u64, now: Instant) {
        let max_time = self.settings.max_time;
        if let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.out_for(now).is_none()) {
            entry.failures = 0;
            if entry.until.is_none_or(|until| now.saturating_duration_since(until) > max_time) {
                self.entries.remove(&id);
            }
        }
    }

    /// How long it is still left out.
    pub(super) fn out_for(&self, id: u64, now: Instant) -> Option<Duration> {
        self.entries.get(&id)?.out_for(now)
    }

    /// Failures of it in a row.
    pub(super) fn failures(&self, id: u64) -> usize {
        self.entries.get(&id).map_or(0, |entry| entry.failures)
    }

    /// How many are left out.
    pub(super) fn out(&self, now: Instant) -> usize {
        self.entries.values().filter(|entry| entry.out_for(now).is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    fn of(size: u64, failures: usize, max_share: usize) -> Ejections {
        let settings = EjectionSettings { failures, time: SECOND, max_time: 8 * SECOND, max_share };
        let mut ejections = Ejections::new(settings);
        ejections.retain(&(0..size).collect::<Vec<_>>());
        ejections
    }

    #[test]
    fn failures_in_a_row_leave_out_and_one_success_begins_anew() {
        let (mut ejections, now) = (of(2, 3, 50), clock::now());
        assert_eq!([ejections.failed(0, now), ejections.failed(0, now)], [None, None]);
        ejections.succeeded(0, now);
        assert_eq!([ejections.failed(0, now), ejections.failed(0, now)], [None, None]);
        assert_eq!(ejections.failed(0, now), Some(SECOND));
        assert_eq!(ejections.out_for(0, now + SECOND / 2), Some(SECOND / 2));
        assert_eq!(ejections.out_for(0, now + SECOND), None);
    }

    #[test]
    fn whoever_fails_again_at_once_is_left_out_twice_as_long_and_no_longer_than_that() {
        let (mut ejections, mut now) = (of(2, 3, 50), clock::now());
        for _ in 0..3 {
            ejections.failed(0, now);
        }
        for seconds in [2, 4, 8, 8, 8] {
            now += 8 * SECOND;
            assert_eq!(ejections.failed(0, now), Some(seconds * SECOND));
        }
        // After a calm time all is forgotten.
        now += 8 * SECOND + 9 * SECOND;
        assert_eq!(ejections.failed(0, now), Some(SECOND));
    }

    #[test]
    fn a_single_replica_is_never_left_out() {
        let (mut ejections, now) = (of(1, 1, 50), clock::now());
        assert!((0..100).all(|_| ejections.failed(0, now).is_none()));
        assert_eq!(of(1, 0, 100).failed(0, now), None, "and none where that is switched off");
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Failed(u64),
        Succeeded(u64),
        Later(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0u64..6).prop_map(Step::Failed),
            1 => (0u64..6).prop_map(Step::Succeeded),
            1 => (1u64..3000).prop_map(Step::Later),
        ];
        prop::collection::vec(step, 0..300)
    }

    proptest! {
        #[test]
        fn a_share_is_never_left_out_and_everyone_comes_back(steps in steps(), max_share in 0usize..=100, failures in 1usize..4) {
            let mut ejections = of(6, failures, max_share);
            let mut now = clock::now();
            let mut in_a_row = [0; 6];
            for step in steps {
                match step {
                    Step::Later(ms) => now += Duration::from_millis(ms),
                    Step::Succeeded(id) => {
                        ejections.succeeded(id, now);
                        in_a_row[usize::try_from(id).unwrap()] = 0;
                    }
                    Step::Failed(id) => {
                        in_a_row[usize::try_from(id).unwrap()] += 1;
                        if let Some(time) = ejections.failed(id, now) {
                            prop_assert!(time >= SECOND && time <= 8 * SECOND);
                            prop_assert!(in_a_row[usize::try_from(id).unwrap()] >= 1);
                        }
                    }
                }
                prop_assert!(ejections.out(now) <= 6 * max_share / 100);
                prop_assert_eq!(ejections.out(now + 8 * SECOND), 0);
            }
        }
    }
}
