//! Which calls are made again that failed: only where that can do no harm, after a pause, and never so many that a server in trouble gets
//! more to do.
//!
//! Two reasons let a call be made again: its request provably never left the gateway, or doing it twice does no harm. The second is the
//! operator's to believe (`retry.calls: safe`), since tools are annotated by their server (2025-11-25 server/tools, Annotations). What
//! asked its client something is never repeated: the client would be asked again. The rules are the same on every wire.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    clock,
    jsonrpc::Raw,
    mcp::{UpstreamFault, Verb},
    seal,
    telemetry::metrics::ServerMetrics,
};

use super::{
    errand::{Errand, Tasking},
    mailbox::{Broken, Reached},
    settings::{RetryCalls, RetrySettings},
};

/// Over how long calls and repetitions are held against each other.
const WINDOW: Duration = Duration::from_secs(10);
/// Repetitions that are free in each window: a server that is called rarely has no hundred calls to count.
const FREE: u64 = 10;
/// The longest pause.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// What of one server's calls may be made again.
#[derive(Debug)]
pub(super) struct Retries {
    settings: RetrySettings,
    metrics: ServerMetrics,
    calls: AtomicU64,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    /// What `calls` was then.
    calls: u64,
    repeated: u64,
}

impl Retries {
    pub(super) fn new(settings: RetrySettings, metrics: ServerMetrics) -> Self {
        let window = Mutex::new(Window { since: clock::now(), calls: 0, repeated: 0 });
        Self { settings, metrics, calls: AtomicU64::new(0), window }
    }

    /// A call is made for the first time.
    pub(super) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// After which pause a call is made again that failed so, and was made again `repeated` times; never when `None`.
    pub(super) fn again(&self, errand: &Errand, broken: Broken, repeated: usize) -> Option<Duration> {
        if repeated >= self.settings.max || !self.may_repeat(errand, broken) {
            return None;
        }
        if !self.spend() {
            self.metrics.retries_refused().inc();
            return None;
        }
        self.metrics.retries().inc();
        let doubled = self.settings.wait.saturating_mul(1 << repeated.min(10));
        Some(seal::jittered(doubled.min(MAX_WAIT)))
    }

    fn may_repeat(&self, errand: &Errand, Broken { fault, reached }: Broken) -> bool {
        match (self.settings.calls, reached) {
            (RetryCalls::Off, _) | (RetryCalls::Unsent, Reached::Perhaps) => false,
            (RetryCalls::Unsent | RetryCalls::Safe, Reached::Not) => may_pass(fault),
            // A server that said that it has too much to do gets no more of it.
            (RetryCalls::Safe, Reached::Perhaps) => {
                may_pass(fault) && fault != UpstreamFault::Overloaded && is_harmless(errand)
            }
        }
    }

    /// Takes one repetition of this window's, if one is left.
    fn spend(&self) -> bool {
        let (now, calls) = (clock::now(), self.calls.load(Ordering::Relaxed));
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.since) >= WINDOW {
            *window = Window { since: now, calls, repeated: 0 };
        }
        let percent = u64::try_from(self.settings.budget_percent).unwrap_or(u64::MAX);
        let share = calls.saturating_sub(window.calls).saturating_mul(percent) / 100;
        let is_left = window.repeated < share.max(FREE);
        window.repeated += u64::from(is_left);
        is_left
    }
}

/// Whether it may be otherwise in a moment. What takes too long, is too large or not allowed will be so again.
const fn may_pass(fault: UpstreamFault) -> bool {
    match fault {
        UpstreamFault::Unavailable
        | UpstreamFault::Gone
        | UpstreamFault::Garbled
        | UpstreamFault::ServerError
        | UpstreamFault::Overloaded
        | UpstreamFault::Hung => true,
        // Who says when to come back, or has failed too often, is not asked before.
        UpstreamFault::Busy(_)
        | UpstreamFault::LeftAlone(_)
        | UpstreamFault::Refused
        | UpstreamFault::Timeout
        | UpstreamFault::TooLarge
        | UpstreamFault::Parked
        | UpstreamFault::Unauthorized
        | UpstreamFault::Unconnected
        | UpstreamFault::NoToken
        | UpstreamFault::TokensAway
        | UpstreamFault::Unconfined
        | UpstreamFault::Incompatible => false,
    }
}

/// Whether doing it twice does no more than doing it once.
fn is_harmless(errand: &Errand) -> bool {
    match (errand.verb, &errand.tasking) {
        (Some(Verb::CallTool), Tasking::Nothing) => errand.tool.as_ref().is_some_and(is_harmless_tool),
        (Some(Verb::GetPrompt | Verb::ReadResource), _) => true,
        _ => errand.method == "completion/complete" || errand.method.ends_with("/list"),
    }
}

/// `idempotentHint` means something only beside `readOnlyHint: false`, and then is false unless said (2025-11-25 schema,
/// `ToolAnnotations`).
fn is_harmless_tool(tool: &Raw) -> bool {
    let says =
        |hint| tool.member("annotations").and_then(|own| own.member(hint)).is_some_and(|hint| hint.as_str() == "true");
    says("readOnlyHint") || says("idempotentHint")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{mcp::Profile, telemetry::metrics::METRICS, upstream::opening::gateway_caller};

    fn retries(calls: RetryCalls, budget_percent: usize) -> Retries {
        let settings = RetrySettings { calls, max: 2, budget_percent, wait: Duration::from_millis(40) };
        Retries::new(settings, METRICS.server("retries"))
    }

    fn call(annotations: &'static str) -> Errand {
        let tool = Some(Raw::literal(annotations));
        let caller = Arc::new(gateway_caller(&Profile::default()));
        Errand { verb: Some(Verb::CallTool), tool, ..Errand::of_gateway(caller, "tools/call", None) }
    }

    const PLAIN: &str = r#"{"name":"write"}"#;
    const READS: &str = r#"{"annotations":{"readOnlyHint":true}}"#;
    const REPEATS: &str = r#"{"annotations":{"readOnlyHint":false,"idempotentHint":true}}"#;
    const GONE: Broken = Broken { fault: UpstreamFault::Gone, reached: Reached::Perhaps };
    const UNSENT: Broken = Broken::unsent(UpstreamFault::Gone);

    #[test]
    fn only_what_did_not_reach_the_server_or_does_no_harm_is_repeated() {
        for (calls, tool, broken, is_repeated) in [
            (RetryCalls::Off, READS, UNSENT, false),
            (RetryCalls::Unsent, PLAIN, UNSENT, true),
            (RetryCalls::Unsent, READS, GONE, false),
            (RetryCalls::Safe, PLAIN, UNSENT, true),
            (RetryCalls::Safe, PLAIN, GONE, false),
            (RetryCalls::Safe, READS, GONE, true),
            (RetryCalls::Safe, REPEATS, GONE, true),
            (RetryCalls::Safe, r#"{"annotations":{"idempotentHint":"true"}}"#, GONE, false),
            (RetryCalls::Safe, READS, UpstreamFault::Timeout.into(), false),
            (RetryCalls::Safe, READS, UpstreamFault::TooLarge.into(), false),
            (RetryCalls::Safe, READS, UpstreamFault::ServerError.into(), true),
            (RetryCalls::Safe, PLAIN, UpstreamFault::ServerError.into(), false),
            (RetryCalls::Safe, READS, UpstreamFault::Overloaded.into(), false),
            (RetryCalls::Safe, READS, UpstreamFault::Busy(Duration::ZERO).into(), false),
            (RetryCalls::Safe, READS, Broken::unsent(UpstreamFault::LeftAlone(Duration::ZERO)), false),
        ] {
            let again = retries(calls, 20).again(&call(tool), broken, 0);
            assert_eq!(again.is_some(), is_repeated, "{calls:?} {tool} {broken:?}");
        }
    }

    #[test]
    fn a_call_that_becomes_a_task_is_not_made_twice() {
        let errand = Errand { tasking: Tasking::Wished, ..call(READS) };
        assert_eq!(retries(RetryCalls::Safe, 20).again(&errand, GONE, 0), None);
    }

    #[test]
    fn pauses_double_within_their_jitter_and_end() {
        let retries = retries(RetryCalls::Unsent, 20);
        for (repeated, bounds) in [(0, 20..=40), (1, 40..=80)] {
            let pause = retries.again(&call(PLAIN), UNSENT, repeated).unwrap();
            assert!(bounds.contains(&pause.as_millis()), "{pause:?}");
        }
        assert_eq!(retries.again(&call(PLAIN), UNSENT, 2), None);
    }

    #[test]
    fn repetitions_are_a_share_of_the_calls_and_a_few_always_are_free() {
        let repeated = |calls: u64| {
            let retries = retries(RetryCalls::Unsent, 20);
            (0..calls).for_each(|_| retries.count_call());
            (0..1000).filter(|_| retries.again(&call(PLAIN), UNSENT, 0).is_some()).count()
        };
        assert_eq!((repeated(1), repeated(50), repeated(100)), (10, 10, 20));
    }
}
