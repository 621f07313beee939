//! Limits, a time that passes when a test says so, and calls that wait.

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use governor::clock::Clock;
use tokio::sync::watch;

use super::super::{
    Admission, Admitted, Limits,
    settings::{LimitSettings, Match, Pace, Pattern, QueueSettings, Quota, Rate, RuleSettings, Window},
    time::{Sleep, Time},
};
use crate::mcp::{Calendar, Fault, Identity, Per, Principal};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(86_400);
pub(super) const HERE: &str = "192.0.2.1";

/// A time that passes when a test says so. It begins at the second 0 of 1970.
#[derive(Clone, Debug)]
pub(super) struct TestClock(Arc<watch::Sender<Duration>>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Duration::ZERO)))
    }
}

impl TestClock {
    pub(super) fn advance(&self, time: Duration) {
        self.0.send_modify(|now| *now += time);
    }
}

impl Clock for TestClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        *self.0.borrow()
    }
}

impl Time for TestClock {
    fn unix(&self) -> Duration {
        self.now()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        let (mut now, end) = (self.0.subscribe(), self.now() + time);
        Box::pin(async move {
            let _ = now.wait_for(|now| *now >= end).await;
        })
    }
}

pub(super) fn some(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

pub(super) fn rule(per: &[Per]) -> RuleSettings {
    RuleSettings { per: per.to_vec(), matches: Vec::new(), rate: None, concurrency: None, quota: None, queue: None }
}

pub(super) fn rate(per: Per, count: u32, window: Window, burst: u32) -> RuleSettings {
    let rate = Rate { pace: Pace { count: some(count), window }, burst: some(burst) };
    RuleSettings { rate: Some(rate), ..rule(&[per]) }
}

pub(super) fn places(per: Per, most: u32) -> RuleSettings {
    RuleSettings { concurrency: Some(some(most)), ..rule(&[per]) }
}

pub(super) fn quota(per: Per, most: u64, unit: Calendar) -> RuleSettings {
    RuleSettings { quota: Some(Quota { most: NonZeroU64::new(most).unwrap(), unit }), ..rule(&[per]) }
}

pub(super) fn queued(rule: RuleSettings, max: usize, seconds: u64) -> RuleSettings {
    RuleSettings { queue: Some(QueueSettings { max, wait: Duration::from_secs(seconds) }), ..rule }
}

pub(super) fn only(rule: RuleSettings, per: Per, glob: &str) -> RuleSettings {
    let pattern = Pattern::Glob(glob.to_owned());
    RuleSettings { matches: vec![Match { per, pattern }], ..rule }
}

pub(super) fn limits(rules: Vec<RuleSettings>, max_keys: usize) -> (Limits<TestClock>, TestClock) {
    let clock = TestClock::default();
    (Limits::with_clock(&LimitSettings { rules, max_keys }, None, clock.clone()).unwrap(), clock)
}

pub(super) fn now(admitted: Admitted) -> Result<Admission, Fault> {
    match admitted {
        Admitted::Now(decided) => decided,
        Admitted::Later(_) => panic!("it waits"),
    }
}

pub(super) fn enter(limits: &Limits<TestClock>, id: &str) -> Result<Admission, Fault> {
    now(limits.enter(&Principal::new(id), Some(HERE.parse().unwrap()), "/mcp"))
}

pub(super) fn enters(limits: &Limits<TestClock>, id: &str) -> bool {
    enter(limits, id).is_ok()
}

pub(super) fn arrives(limits: &Limits<TestClock>, address: &str) -> bool {
    now(limits.arrive(address.parse().unwrap(), "/mcp")).is_ok()
}

pub(super) fn member(id: &str, groups: &[&str]) -> Principal {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Principal::known(Identity { id: id.into(), groups, ..Identity::default() }, None)
}

pub(super) fn call(principal: Principal) -> crate::mcp::Call {
    use crate::mcp::{Call, Caller, Capabilities, LogInterest, Mirrored, Op, ProgressInterest, Trace};
    let capabilities = Capabilities::none();
    let caller =
        Caller { principal, session: None, client_info: None, capabilities, log: LogInterest::Off, address: None };
    Call {
        caller: Arc::new(caller),
        endpoint: "/mcp".into(),
        op: Op::Discover,
        progress: ProgressInterest::Unwanted,
        mirrored: Mirrored::NotApplicable,
        trace: Arc::new(Trace::new(HERE.parse().unwrap(), None)),
    }
}

pub(super) fn routes(limits: &Limits<TestClock>, id: &str, server: &str, tool: Option<&str>) -> bool {
    now(limits.route(&call(Principal::new(id)), server, tool)).is_ok()
}

/// A call that waits, polled by hand.
pub(super) struct Waits(pub(super) std::pin::Pin<Box<dyn Future<Output = Result<Admission, Fault>> + Send>>);

impl Waits {
    pub(super) fn of(limits: &Limits<TestClock>, id: &str) -> Self {
        let Admitted::Later(decided) = limits.enter(&Principal::new(id), None, "/mcp") else {
            panic!("it is known at once")
        };
        let mut waits = Self(decided);
        assert!(waits.poll().is_none(), "it is let in or refused at once");
        waits
    }

    pub(super) fn poll(&mut self) -> Option<Result<Admission, Fault>> {
        match self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(decided) => Some(decided),
            Poll::Pending => None,
        }
    }
}
