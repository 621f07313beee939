//! When something that failed is started again: at once, then after longer and longer waits, and at last not until an operator says so.
//!
//! A start that failed is counted, and so is a child that ended before it had answered a call; one that had is started again as if
//! nothing had happened, since whoever finds a call that kills it would otherwise keep it from everybody.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{clock, mcp::UpstreamFault, seal};

use super::settings::RestartSettings;

/// What happened to one server, or to one key of it.
#[derive(Debug)]
pub(super) struct Record {
    settings: RestartSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures since something worked.
    in_a_row: u32,
    until: Option<Instant>,
    last: Option<(UpstreamFault, Instant)>,
    /// The newest failures: as many as park it.
    recent: VecDeque<Instant>,
    parked: Option<Instant>,
}

/// What a failure led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    /// It is tried again after this time.
    Waits(Duration),
    /// It is left alone.
    Parked,
}

impl Record {
    pub(super) fn new(settings: RestartSettings) -> Self {
        Self { settings, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it may be started now.
    ///
    /// # Errors
    /// [`UpstreamFault::Parked`], or while it waits what happened last.
    pub(super) fn may_start(&self) -> Result<(), UpstreamFault> {
        let state = self.lock();
        match (state.parked, state.until, state.last) {
            (Some(_), ..) => Err(UpstreamFault::Parked),
            (None, Some(until), Some((fault, _))) if clock::now() < until => Err(fault),
            _ => Ok(()),
        }
    }

    /// How long it still waits.
    pub(super) fn pause(&self) -> Option<Duration> {
        let state = self.lock();
        let until = state.until.filter(|_| state.parked.is_none())?;
        Some(until.saturating_duration_since(clock::now()))
    }

    /// It failed. The first time it may be tried again at once.
    pub(super) fn failed(&self, fault: UpstreamFault) -> Consequence {
        let (now, RestartSettings { wait, max_wait, failures, window }) = (clock::now(), &self.settings);
        let mut state = self.lock();
        state.last = Some((fault, now));
        state.recent.push_back(now);
        while state.recent.len() > *failures {
            state.recent.pop_front();
        }
        let is_loop = *failures > 0 && state.recent.len() == *failures;
        if is_loop && state.recent.front().is_some_and(|first| now.saturating_duration_since(*first) <= *window) {
            state.parked.get_or_insert(now);
            return Consequence::Parked;
        }
        state.in_a_row = state.in_a_row.saturating_add(1);
        let pause = match state.in_a_row {
            1 => Duration::ZERO,
            more => seal::jittered(wait.saturating_mul(1 << (more - 2).min(20)).min(*max_wait)),
        };
        state.until = Some(now + pause);
        Consequence::Waits(pause)
    }

    /// What is counted elsewhere happened, to be told of.
    pub(super) fn note(&self, fault: UpstreamFault) {
        self.lock().last = Some((fault, clock::now()));
    }

    /// It works again: what failed is of no interest any more.
    pub(super) fn works(&self) {
        *self.lock() = State::default();
    }

    /// It answers calls, so that what failed is no loop; what it was is still told.
    pub(super) fn answers(&self) {
        let mut state = self.lock();
        *state = State { last: state.last, ..State::default() };
    }

    /// It may be tried again, whatever happened.
    pub(super) fn release(&self) {
        self.answers();
    }

    /// What happened last, and how long ago.
    pub(super) fn last(&self) -> Option<(UpstreamFault, Duration)> {
        self.lock().last.map(|(fault, at)| (fault, clock::now().saturating_duration_since(at)))
    }

    /// For how long it has been left alone.
    pub(super) fn parked(&self) -> Option<Duration> {
        self.lock().parked.map(|since| clock::now().saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(failures: usize) -> Record {
        let wait = Duration::from_secs(3600);
        Record::new(RestartSettings { wait, max_wait: 3 * wait, failures, window: wait })
    }

    #[test]
    fn the_first_failure_waits_for_nothing_and_the_next_ones_longer_each_time_up_to_the_longest() {
        let record = record(0);
        let hours = |consequence| match consequence {
            Consequence::Waits(pause) => pause.as_secs_f64() / 3600.0,
            Consequence::Parked => f64::INFINITY,
        };
        assert_eq!(record.failed(UpstreamFault::Gone), Consequence::Waits(Duration::ZERO));
        assert_eq!(record.may_start(), Ok(()));
        for longest in [1.0, 2.0, 3.0, 3.0] {
            let pause = hours(record.failed(UpstreamFault::Timeout));
            assert!(pause >= longest / 2.0 && pause <= longest, "{pause} of {longest}");
            assert_eq!(record.may_start(), Err(UpstreamFault::Timeout));
        }
        record.works();
        assert_eq!(record.may_start(), Ok(()));
        assert_eq!(record.failed(UpstreamFault::Gone), Consequence::Waits(Duration::ZERO));
    }

    #[test]
    fn so_many_failures_park_it_until_it_is_released_and_not_one_fewer() {
        let record = record(3);
        for _ in 0..2 {
            assert_ne!(record.failed(UpstreamFault::Gone), Consequence::Parked);
        }
        assert_eq!(record.parked(), None);
        assert_eq!(record.failed(UpstreamFault::Gone), Consequence::Parked);
        assert_eq!(record.may_start(), Err(UpstreamFault::Parked));
        assert!(record.parked().is_some());
        record.release();
        assert_eq!((record.may_start(), record.parked()), (Ok(()), None));
        assert_eq!(record.last().map(|(fault, _)| fault), Some(UpstreamFault::Gone));
    }

    #[test]
    fn failures_with_something_that_worked_between_them_are_no_loop() {
        let record = record(2);
        for _ in 0..9 {
            assert_ne!(record.failed(UpstreamFault::Gone), Consequence::Parked);
            record.works();
        }
    }
}
