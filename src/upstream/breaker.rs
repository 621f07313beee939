//! When a server is left alone: a state machine that is told what happened and when.
//!
//! Closed, all calls go through. So many failures in a row open it: calls are refused at once and hear when to come back, and the server
//! has time to recover. Then it is half open: one call is let through to see, and what comes of it closes it, or opens it for longer.
//! A server that says when it wants to be called again (`Retry-After`) is left alone until then, whatever the state.
//!
//! Source: M. Nygard, "Release It!", 2nd edition, section 5.2 (Circuit Breaker); RFC 9110 section 10.2.3; docs/adr/0028.

use std::time::{Duration, Instant};

use crate::telemetry::label::BreakerState;

use super::settings::BreakerSettings;

/// How long whoever comes while the one call is under way is told to wait, at the least.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// Whether a server is called.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// In a row, while it is closed.
    failures: usize,
    /// How often it opened without having been closed in between.
    times: u32,
    paused_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open(Instant),
    /// One call is under way.
    HalfOpen,
}

/// How a call is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// Like every other.
    Usual,
    /// To see whether the server works again: what comes of it must be told, or that nothing did.
    Trial,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Worked,
    Failed,
    /// It says nothing about the server.
    Nothing,
}

impl Breaker {
    /// Lets a call through, or says when to come back.
    pub(super) fn admit(&mut self, now: Instant, settings: &BreakerSettings) -> Result<Admitted, Duration> {
        let left = |until: Instant| until.saturating_duration_since(now);
        if let Some(paused) = self.paused_until.map(left).filter(|left| !left.is_zero()) {
            return Err(paused);
        }
        match self.state {
            State::Closed => Ok(Admitted::Usual),
            State::Open(until) if until > now => Err(left(until)),
            State::Open(_) => {
                self.state = State::HalfOpen;
                Ok(Admitted::Trial)
            }
            State::HalfOpen => Err(settings.time.max(LEAST_WAIT)),
        }
    }

    /// What came of a call that was let through; `rolled` is any number, so that gateways do not come back all at once.
    pub(super) fn judge(
        &mut self,
        admitted: Admitted,
        verdict: Verdict,
        (now, rolled): (Instant, u64),
        settings: &BreakerSettings,
    ) {
        match (admitted, self.state, verdict) {
            (Admitted::Trial, State::HalfOpen, Verdict::Worked) => {
                *self = Self { paused_until: self.paused_until, ..Self::default() };
            }
            (Admitted::Trial, State::HalfOpen, Verdict::Failed) => self.open(now, rolled, settings),
            // The next one tries.
            (Admitted::Trial, State::HalfOpen, Verdict::Nothing) => self.state = State::Open(now),
            (_, State::Closed, Verdict::Worked) => self.failures = 0,
            (_, State::Closed, Verdict::Failed) if settings.failures > 0 => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= settings.failures {
                    self.open(now, rolled, settings);
                }
            }
            // Of calls that were sent before it opened.
            _ => (),
        }
    }

    /// The server said when it wants to be called again.
    pub(super) fn pause(&mut self, after: Duration, now: Instant, settings: &BreakerSettings) {
        let until = now + after.min(settings.max_retry_after);
        self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
    }

    fn open(&mut self, now: Instant, rolled: u64, settings: &BreakerSettings) {
        let time = settings.time.saturating_mul(1 << self.times.min(16)).min(settings.max_time);
        let early = time / 5000 * u32::try_from(rolled % 1000).unwrap_or_default();
        self.times = self.times.saturating_add(1);
        self.failures = 0;
        self.state = State::Open(now + time.saturating_sub(early));
    }

    /// Whether nothing is held against the server.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        self.state == State::Closed && self.failures == 0 && self.paused_until.is_none_or(|until| until <= now)
    }

    /// Its state, and for how long it lasts if that is known.
    pub(super) fn state(&self, now: Instant) -> (BreakerState, Option<Duration>) {
        let left = |until: Instant| until.saturating_duration_since(now);
        match (self.paused_until.map(left).filter(|left| !left.is_zero()), self.state) {
            (Some(left), _) => (BreakerState::Open, Some(left)),
            (None, State::Closed) => (BreakerState::Closed, None),
            (None, State::Open(until)) if until > now => (BreakerState::Open, Some(left(until))),
            (None, State::Open(_) | State::HalfOpen) => (BreakerState::HalfOpen, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings(failures: usize) -> BreakerSettings {
        BreakerSettings { failures, time: SECOND, max_time: 8 * SECOND, max_retry_after: 60 * SECOND }
    }

    fn fail(breaker: &mut Breaker, times: usize, now: Instant, settings: &BreakerSettings) {
        for _ in 0..times {
            let admitted = breaker.admit(now, settings).unwrap();
            breaker.judge(admitted, Verdict::Failed, (now, 0), settings);
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_the_call_that_is_let_through_then_closes_it() {
        let (mut breaker, now, settings) = (Breaker::default(), clock::now(), settings(3));
        fail(&mut breaker, 2, now, &settings);
        breaker.judge(Admitted::Usual, Verdict::Worked, (now, 0), &settings);
        fail(&mut breaker, 3, now, &settings);
        assert_eq!(breaker.admit(now, &settings), Err(SECOND));
        assert_eq!(breaker.admit(now + SECOND / 2, &settings), Err(SECOND / 2));
        assert_eq!(breaker.admit(now + SECOND, &settings), Ok(Admitted::Trial));
        assert_eq!(breaker.admit(now + SECOND, &settings), Err(SECOND), "one is enough to see");
        breaker.judge(Admitted::Trial, Verdict::Worked, (now + SECOND, 0), &settings);
        assert_eq!(breaker.admit(now + SECOND, &settings), Ok(Admitted::Usual));
        assert!(breaker.is_quiet(now + SECOND));
    }

    #[test]
    fn each_trial_that_fails_leaves_it_alone_for_twice_as_long() {
        let (mut breaker, mut now, settings) = (Breaker::default(), clock::now(), settings(1));
        for seconds in [1, 2, 4, 8, 8] {
            fail(&mut breaker, 1, now, &settings);
            assert_eq!(breaker.admit(now, &settings), Err(seconds * SECOND));
            now += seconds * SECOND;
        }
    }

    #[test]
    fn a_trial_that_says_nothing_leaves_it_to_the_next_call() {
        let (mut breaker, now, settings) = (Breaker::default(), clock::now(), settings(1));
        fail(&mut breaker, 1, now, &settings);
        let later = now + SECOND;
        assert_eq!(breaker.admit(later, &settings), Ok(Admitted::Trial));
        breaker.judge(Admitted::Trial, Verdict::Nothing, (later, 0), &settings);
        assert_eq!(breaker.admit(later, &settings), Ok(Admitted::Trial));
    }

    #[test]
    fn a_server_is_left_alone_for_as_long_as_it_asks_and_no_longer_than_allowed() {
        let (mut breaker, now, settings) = (Breaker::default(), clock::now(), settings(0));
        breaker.pause(5 * SECOND, now, &settings);
        assert_eq!(breaker.admit(now + SECOND, &settings), Err(4 * SECOND));
        assert_eq!(breaker.admit(now + 5 * SECOND, &settings), Ok(Admitted::Usual));
        breaker.pause(3600 * SECOND, now, &settings);
        assert_eq!(breaker.admit(now, &settings), Err(60 * SECOND));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Admit,
        Judge(usize, Verdict),
        Later(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let verdict =
            prop_oneof![Just(Verdict::Worked), Just(Verdict::Failed), Just(Verdict::Failed), Just(Verdict::Nothing)];
        let step = prop_oneof![
            3 => Just(Step::Admit),
            3 => (0usize..8, verdict).prop_map(|(at, verdict)| Step::Judge(at, verdict)),
            1 => (1u64..4000).prop_map(Step::Later),
        ];
        prop::collection::vec(step, 0..300)
    }

    proptest! {
        /// Whatever happens in whatever order: one trial at a time, nothing else goes through while it is open, who is refused may
        /// come back within the longest time, and then somebody is let through.
        #[test]
        fn it_lets_one_through_at_a_time_and_never_stays_shut(steps in steps(), failures in 1usize..4, rolled: u64) {
            let (mut breaker, mut now, settings) = (Breaker::default(), clock::now(), settings(failures));
            let mut under_way: Vec<Admitted> = Vec::new();
            let mut run = 0;
            for step in steps {
                match step {
                    Step::Later(ms) => now += Duration::from_millis(ms),
                    Step::Admit => match breaker.admit(now, &settings) {
                        Ok(admitted) => {
                            prop_assert!(admitted == Admitted::Usual || !under_way.contains(&Admitted::Trial));
                            under_way.push(admitted);
                        }
                        Err(wait) => prop_assert!(!wait.is_zero() && wait <= settings.max_time),
                    },
                    Step::Judge(at, verdict) if at < under_way.len() => {
                        let admitted = under_way.swap_remove(at);
                        let was_closed = breaker.state == State::Closed;
                        breaker.judge(admitted, verdict, (now, rolled), &settings);
                        run = match verdict { Verdict::Failed if was_closed => run + 1, Verdict::Nothing => run, _ => 0 };
                        let has_opened = was_closed && breaker.state != State::Closed;
                        prop_assert!(!has_opened || run >= failures);
                        if has_opened {
                            run = 0;
                        }
                    }
                    Step::Judge(..) => {}
                }
            }
            for admitted in under_way {
                breaker.judge(admitted, Verdict::Nothing, (now, rolled), &settings);
            }
            prop_assert!(breaker.admit(now + settings.max_time, &settings).is_ok());
        }
    }
}
