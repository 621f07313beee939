//! Who may be called just now: the breaker of a server, and one for each principal with whose own credential calls to it fail.
//!
//! Where everybody is called for with the same credential, what fails for one fails for all. Where each caller has a credential of their
//! own, what a server answers to it says nothing about the others: a revoked token must not take the server away from them. There only
//! that no connection came about counts for all.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    clock,
    mcp::UpstreamFault,
    telemetry::{label::BreakerState, metrics::ServerMetrics},
};

use super::{
    breaker::{Admitted, Breaker, Verdict},
    settings::BreakerSettings,
};

/// Principals whose failures are remembered at the most; of more, nobody is left alone.
const MAX_PRINCIPALS: usize = 10_000;

/// Whose credential a server is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The same for everybody.
    Everybodys,
    /// Each caller's own.
    Callers,
}

/// Who may be called just now.
pub(super) struct Circuit {
    settings: BreakerSettings,
    whose: Whose,
    /// Something may be held against the server: only then are locks taken.
    is_suspect: AtomicBool,
    server: Mutex<Breaker>,
    /// The same for principals.
    has_suspects: AtomicBool,
    principals: Mutex<HashMap<Arc<str>, Breaker>>,
    name: Arc<str>,
    metrics: ServerMetrics,
}

/// A call that was let through. What becomes of it must be told; dropped untold, it says nothing.
pub(super) struct Pass {
    circuit: Arc<Circuit>,
    by: Option<Arc<str>>,
    /// How the server and the principal let it through.
    server: Admitted,
    principal: Admitted,
    is_judged: bool,
}

impl Circuit {
    pub(super) fn new(name: Arc<str>, settings: BreakerSettings, whose: Whose, metrics: ServerMetrics) -> Arc<Self> {
        Arc::new(Self {
            settings,
            whose,
            is_suspect: AtomicBool::new(false),
            server: Mutex::default(),
            has_suspects: AtomicBool::new(false),
            principals: Mutex::default(),
            name,
            metrics,
        })
    }

    /// Lets a call through in the name of `by`.
    ///
    /// # Errors
    /// [`UpstreamFault::LeftAlone`], with the time to come back.
    pub(super) fn admit(self: &Arc<Self>, by: Option<&str>) -> Result<Pass, UpstreamFault> {
        let refused = |after| {
            self.metrics.left_alone().inc();
            UpstreamFault::LeftAlone(after)
        };
        let by = by.filter(|_| self.whose == Whose::Callers);
        let principal = self.admit_principal(by).map_err(refused)?;
        let server = match self.is_suspect.load(Ordering::Acquire) {
            false => Ok(Admitted::Usual),
            true => {
                let now = clock::now();
                let mut server = self.lock();
                let admitted = server.admit(now, &self.settings);
                self.note(&server, now);
                admitted
            }
        };
        let mut pass =
            Pass { circuit: self.clone(), by: by.map(Arc::from), server: Admitted::Usual, principal, is_judged: false };
        // Dropped here, it gives back the trial that the principal had.
        pass.server = server.map_err(refused)?;
        Ok(pass)
    }

    fn admit_principal(&self, by: Option<&str>) -> Result<Admitted, Duration> {
        match by.filter(|_| self.has_suspects.load(Ordering::Acquire)) {
            None => Ok(Admitted::Usual),
            Some(by) => match self.lock_principals().get_mut(by) {
                None => Ok(Admitted::Usual),
                Some(breaker) => breaker.admit(clock::now(), &self.settings),
            },
        }
    }

    /// The state of the server's own breaker, for how long it lasts, and how many principals have one that is not closed.
    pub(super) fn state(&self) -> (BreakerState, Option<Duration>, usize) {
        let now = clock::now();
        let (state, left) = self.lock().state(now);
        let is_open = |breaker: &&Breaker| breaker.state(now).0 != BreakerState::Closed;
        (state, left, self.lock_principals().values().filter(is_open).count())
    }

    /// Where what happens to the server is counted.
    pub(super) const fn metrics(&self) -> &ServerMetrics {
        &self.metrics
    }

    /// A session was opened anew.
    pub(super) fn renewed(&self) {
        self.metrics.renewals().inc();
    }

    /// What is not held against anybody any more is forgotten.
    pub(super) fn tidy(&self) {
        let now = clock::now();
        let mut principals = self.lock_principals();
        principals.retain(|_, breaker| !breaker.is_quiet(now));
        self.count(&principals);
        drop(principals);
        self.note(&self.lock(), now);
    }

    /// Nothing is held against anybody any more: the operator says so.
    pub(super) fn release(&self) {
        self.on_server(|server, _| *server = Breaker::default());
        let mut principals = self.lock_principals();
        principals.clear();
        self.count(&principals);
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_principals(&self) -> MutexGuard<'_, HashMap<Arc<str>, Breaker>> {
        self.principals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, server: &Breaker, now: Instant) {
        self.is_suspect.store(!server.is_quiet(now), Ordering::Release);
        self.metrics.breaker(server.state(now).0);
    }

    fn count(&self, principals: &HashMap<Arc<str>, Breaker>) {
        self.has_suspects.store(!principals.is_empty(), Ordering::Release);
        self.metrics.troubled().set(principals.len().try_into().unwrap_or(i64::MAX));
    }

    fn on_server(&self, change: impl FnOnce(&mut Breaker, (Instant, u64))) {
        let now = clock::now();
        let mut server = self.lock();
        let before = server.state(now).0;
        change(&mut server, (now, roll()));
        self.note(&server, now);
        let (after, left) = server.state(now);
        drop(server);
        match after {
            after if after == before => (),
            BreakerState::Open => tracing::warn!(server = &*self.name, ?left, "the server is left alone for a while"),
            BreakerState::Closed => tracing::info!(server = &*self.name, "the server is called again"),
            BreakerState::HalfOpen => (),
        }
    }

    fn on_principal(&self, by: &Arc<str>, change: impl FnOnce(&mut Breaker, (Instant, u64))) {
        let now = clock::now();
        let mut principals = self.lock_principals();
        if principals.len() >= MAX_PRINCIPALS && !principals.contains_key(by) {
            return;
        }
        let breaker = principals.entry(by.clone()).or_default();
        change(breaker, (now, roll()));
        if breaker.is_quiet(now) {
            principals.remove(by);
        }
        self.count(&principals);
    }
}

/// Any number: gateways that opened together come back one after the other. Without randomness they come back together.
fn roll() -> u64 {
    let mut bytes = [0; 8];
    let _ = getrandom::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

impl Pass {
    /// The server answered.
    pub(super) fn worked(&mut self) {
        self.judge(Verdict::Worked, Verdict::Worked);
    }

    /// The server said something before its answer: who was let through to see has seen enough.
    pub(super) fn heard(&mut self) {
        if self.server == Admitted::Trial || self.principal == Admitted::Trial {
            self.worked();
        }
    }

    /// The call failed. What of it speaks against whom depends on the fault, and on whose credential was shown.
    pub(super) fn failed(&mut self, fault: UpstreamFault) {
        if let UpstreamFault::Busy(after) = fault {
            self.pause(after);
        }
        let verdict = verdict(fault);
        // That it was not reached has nothing to do with who calls; all else may have.
        match (self.circuit.whose, fault) {
            (Whose::Everybodys, _) | (Whose::Callers, UpstreamFault::Unavailable) => {
                self.judge(verdict, Verdict::Nothing);
            }
            (Whose::Callers, _) => self.judge(Verdict::Nothing, verdict),
        }
    }

    /// What an attempt to reach the server came to.
    pub(super) fn judge_by<T>(&mut self, reached: &Result<T, UpstreamFault>) {
        match reached {
            Ok(_) => self.worked(),
            Err(fault) => self.failed(*fault),
        }
    }

    fn pause(&self, after: Duration) {
        let circuit = &self.circuit;
        match &self.by {
            None => circuit.on_server(|breaker, (now, _)| breaker.pause(after, now, &circuit.settings)),
            Some(by) => circuit.on_principal(by, |breaker, (now, _)| breaker.pause(after, now, &circuit.settings)),
        }
    }

    fn judge(&mut self, of_server: Verdict, of_principal: Verdict) {
        if std::mem::replace(&mut self.is_judged, true) {
            return;
        }
        let circuit = &self.circuit;
        let is_news = |admitted, verdict, is_suspect: &AtomicBool| {
            admitted == Admitted::Trial
                || verdict == Verdict::Failed
                || verdict == Verdict::Worked && is_suspect.load(Ordering::Acquire)
        };
        if is_news(self.server, of_server, &circuit.is_suspect) {
            circuit.on_server(|breaker, at| breaker.judge(self.server, of_server, at, &circuit.settings));
        }
        if let Some(by) = &self.by
            && is_news(self.principal, of_principal, &circuit.has_suspects)
        {
            circuit.on_principal(by, |breaker, at| breaker.judge(self.principal, of_principal, at, &circuit.settings));
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.judge(Verdict::Nothing, Verdict::Nothing);
    }
}

/// Whether a fault says that the server does not work.
const fn verdict(fault: UpstreamFault) -> Verdict {
    match fault {
        UpstreamFault::Unavailable
        | UpstreamFault::ServerError
        | UpstreamFault::Gone
        | UpstreamFault::Timeout
        | UpstreamFault::Garbled
        | UpstreamFault::Unauthorized
        | UpstreamFault::Incompatible => Verdict::Failed,
        // It is at work, however much.
        UpstreamFault::TooLarge => Verdict::Worked,
        // It asked for patience, was not asked at all, or the caller lacks something.
        _ => Verdict::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::METRICS;

    const HOUR: Duration = Duration::from_secs(3600);

    fn circuit(whose: Whose) -> Arc<Circuit> {
        let settings = BreakerSettings { failures: 2, time: HOUR, max_time: HOUR, max_retry_after: HOUR };
        Circuit::new("some".into(), settings, whose, METRICS.server("circuit"))
    }

    fn fail(circuit: &Arc<Circuit>, by: &str, fault: UpstreamFault) {
        for _ in 0..2 {
            circuit.admit(Some(by)).unwrap().failed(fault);
        }
    }

    fn is_let_through(circuit: &Arc<Circuit>, by: &str) -> bool {
        circuit.admit(Some(by)).is_ok()
    }

    #[test]
    fn what_fails_with_everybody_s_credential_fails_for_all() {
        for fault in [UpstreamFault::Unauthorized, UpstreamFault::Unavailable, UpstreamFault::Timeout] {
            let circuit = circuit(Whose::Everybodys);
            fail(&circuit, "a", fault);
            assert!(!is_let_through(&circuit, "a") && !is_let_through(&circuit, "b"), "{fault:?}");
        }
    }

    #[test]
    fn what_fails_with_one_s_own_credential_fails_for_them_alone() {
        for fault in [UpstreamFault::Unauthorized, UpstreamFault::ServerError, UpstreamFault::Timeout] {
            let circuit = circuit(Whose::Callers);
            fail(&circuit, "a", fault);
            assert!(!is_let_through(&circuit, "a") && is_let_through(&circuit, "b"), "{fault:?}");
            assert_eq!(circuit.state().2, 1);
        }
        let circuit = circuit(Whose::Callers);
        fail(&circuit, "a", UpstreamFault::Unavailable);
        assert!(!is_let_through(&circuit, "b"), "that nobody is there has nothing to do with who calls");
    }

    #[test]
    fn what_says_nothing_about_the_server_is_not_held_against_it() {
        let neutral =
            [UpstreamFault::Overloaded, UpstreamFault::NoToken, UpstreamFault::Refused, UpstreamFault::TooLarge];
        for fault in neutral {
            let circuit = circuit(Whose::Everybodys);
            (0..10).for_each(|_| fail(&circuit, "a", fault));
            assert!(is_let_through(&circuit, "a"), "{fault:?}");
        }
        let circuit = circuit(Whose::Everybodys);
        for _ in 0..10 {
            drop(circuit.admit(None).unwrap());
        }
        assert!(is_let_through(&circuit, "a"), "who gave up said nothing");
    }

    #[test]
    fn a_server_that_asks_one_user_for_patience_asks_nobody_else() {
        let circuit = circuit(Whose::Callers);
        circuit.admit(Some("a")).unwrap().failed(UpstreamFault::Busy(HOUR));
        assert!(!is_let_through(&circuit, "a") && is_let_through(&circuit, "b"));
        circuit.tidy();
        assert!(!is_let_through(&circuit, "a"), "it is not forgotten before its time");
    }

    #[test]
    fn one_success_forgets_a_principal() {
        let circuit = circuit(Whose::Callers);
        circuit.admit(Some("a")).unwrap().failed(UpstreamFault::Timeout);
        assert_eq!(circuit.lock_principals().len(), 1);
        circuit.admit(Some("a")).unwrap().worked();
        assert_eq!(circuit.lock_principals().len(), 0);
    }

    #[test]
    fn no_more_principals_are_remembered_than_there_is_room_for() {
        let circuit = circuit(Whose::Callers);
        for number in 0..MAX_PRINCIPALS + 5 {
            circuit.admit(Some(&number.to_string())).unwrap().failed(UpstreamFault::Timeout);
        }
        assert_eq!(circuit.lock_principals().len(), MAX_PRINCIPALS);
    }
}
