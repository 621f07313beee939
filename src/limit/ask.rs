//! One call before its limits: what it has taken, what it waits for.
//!
//! Without a store everything is taken step by step, and what is taken stays so while the call waits for the rest. With a store all is
//! taken in one go or nothing is. Either way a call that is refused, or dropped, holds nothing; what it took from buckets is gone.

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use smallvec::SmallVec;

use super::{
    admission::{Admission, Admitted},
    bucket::Bucket,
    calendar::Page,
    line::Ticket,
    rule::{Aspect, Found, Rule},
    settings::QueueSettings,
    store::{Demand, Store, Verdict},
    time::{Sleep, Time},
};
use crate::{clock, mcp::Fault, telemetry::metrics::METRICS};

/// When to come back for a place: nobody knows when one becomes free.
const PLACE_RETRY: Duration = Duration::from_secs(1);
/// How often somebody at the head of a queue asks a store for a place: those of other gateways become free without a word.
const STORE_RETRY: Duration = Duration::from_millis(50);

/// A call and its limits.
pub(super) struct Ask<T: Time> {
    found: SmallVec<[Found<T>; 4]>,
    /// How many steps have been taken: for each aspect, each of what was found.
    done: usize,
    admission: Admission,
    spent: Spent<T>,
    /// Where it is at the head of a queue.
    turn: Option<Turn>,
    store: Option<Arc<dyn Store>>,
    /// Whether the store was away when it was to be asked.
    goes_by_share: bool,
    clock: T,
}

/// Quotas that were taken from, and are given back unless the call is let in.
struct Spent<T: Time>(SmallVec<[(Arc<Bucket<T>>, Page); 2]>);

/// The head of a queue.
struct Turn {
    at: usize,
    _ticket: Ticket,
    deadline: Sleep,
}

/// What could not be taken.
struct Missed {
    at: usize,
    aspect: Aspect,
    after: Duration,
}

impl<T: Time> Ask<T> {
    pub(super) fn new(store: Option<Arc<dyn Store>>, clock: T) -> Self {
        let (found, spent) = (SmallVec::new(), Spent(SmallVec::new()));
        Self { found, done: 0, admission: Admission::default(), spent, turn: None, store, goes_by_share: false, clock }
    }

    /// Counts the call in this, too.
    pub(super) fn add(&mut self, found: Found<T>) {
        self.found.push(found);
    }

    /// Whether the call is let in; `who` takes turns with others where it has to wait.
    pub(super) fn decide(mut self, who: impl FnOnce() -> Arc<[u8]>) -> Admitted {
        if self.found.is_empty() {
            return Admitted::Now(Ok(Admission::default()));
        }
        if self.store.is_some() {
            return Admitted::Later(Box::pin(self.decide_with_store(who())));
        }
        match self.take() {
            Ok(()) => Admitted::Now(Ok(self.settle())),
            Err(missed) if self.queue(&missed).is_some() => Admitted::Later(Box::pin(self.wait(missed, who()))),
            Err(missed) => Admitted::Now(Err(self.refusal(&missed))),
        }
    }

    async fn decide_with_store(mut self, who: Arc<[u8]>) -> Result<Admission, Fault> {
        match self.attempt().await {
            Ok(()) => Ok(self.settle()),
            Err(missed) => self.wait(missed, who).await,
        }
    }

    /// What was taken is the call's now.
    fn settle(mut self) -> Admission {
        self.spent.0.clear();
        std::mem::take(&mut self.admission)
    }

    fn refusal(&self, missed: &Missed) -> Fault {
        let rule = self.found.get(missed.at).map(|found| &found.rule);
        rule.map_or(Fault::Internal, |rule| rule.refusal(missed.aspect, missed.after, self.clock.unix()))
    }

    /// The queue in which the missing can be waited for. Nobody waits for tomorrow, nor in vain.
    fn queue(&self, missed: &Missed) -> Option<QueueSettings> {
        let queue = self.found.get(missed.at)?.rule.settings.queue?;
        let may_come = match missed.aspect {
            Aspect::Places => true,
            Aspect::Quota => false,
            Aspect::Rate => missed.after <= queue.wait,
        };
        may_come.then_some(queue)
    }

    /// Waits for what is missing, in one queue after the other where need be.
    async fn wait(mut self, mut missed: Missed, who: Arc<[u8]>) -> Result<Admission, Fault> {
        let started = clock::now();
        let waited = loop {
            let Some(queue) = self.queue(&missed) else { break Err(self.refusal(&missed)) };
            if !self.comes(&missed, queue, &who).await {
                break Err(self.refusal(&missed));
            }
            match self.attempt().await {
                Ok(()) => break Ok(()),
                Err(next) => missed = next,
            }
        };
        METRICS.limit_wait.observe(clock::now().saturating_duration_since(started).as_secs_f64());
        waited.map(|()| self.settle())
    }

    /// Waits until it makes sense to try again; not so when the queue is full or the time is over.
    async fn comes(&mut self, missed: &Missed, queue: QueueSettings, who: &Arc<[u8]>) -> bool {
        let Some(bucket) = self.found.get(missed.at).map(|found| found.bucket.clone()) else { return false };
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.at == missed.at) {
            let mut pause = self.clock.sleep(missed.after);
            return tokio::select! {
                biased;
                () = bucket.freed() => true,
                () = &mut pause => true,
                () = &mut turn.deadline => false,
            };
        }
        // One queue at a time: who waits elsewhere makes room here.
        self.turn = None;
        let Some(ticket) = bucket.line.join(who, queue.max) else { return false };
        let mut deadline = self.clock.sleep(queue.wait);
        tokio::select! {
            biased;
            () = ticket.turn() => (),
            () = &mut deadline => return false,
        }
        self.turn = Some(Turn { at: missed.at, _ticket: ticket, deadline });
        true
    }

    /// Takes what is still missing: from the store where there is one, else here.
    async fn attempt(&mut self) -> Result<(), Missed> {
        let Some(store) = self.store.clone() else { return self.take() };
        if store.is_there() && self.done == 0 {
            if let Some(missed) = self.behind_others() {
                return Err(missed);
            }
            let (of, demands) = self.demands();
            match store.take(&demands).await {
                Ok(Verdict::Taken(lease)) => {
                    self.admission.lease(lease);
                    return Ok(());
                }
                Ok(Verdict::Refused(which, after)) => {
                    if let Some((at, aspect)) = of.get(which).copied() {
                        let after = if aspect == Aspect::Places { STORE_RETRY } else { after };
                        return Err(Missed { at, aspect, after });
                    }
                }
                Err(_away) => (),
            }
        }
        if !std::mem::replace(&mut self.goes_by_share, true) {
            METRICS.limit_own_share.inc();
        }
        self.take()
    }

    /// All that a store is asked for.
    fn demands(&self) -> (Vec<(usize, Aspect)>, Vec<Demand>) {
        let now = self.clock.unix();
        let mut demands = (Vec::with_capacity(self.found.len()), Vec::with_capacity(self.found.len()));
        for aspect in Rule::<T>::ASPECTS {
            for (at, found) in self.found.iter().enumerate() {
                let demand = found.name.as_ref().and_then(|name| found.rule.demand(aspect, name, now));
                if let Some(demand) = demand {
                    demands.0.push((at, aspect));
                    demands.1.push(demand);
                }
            }
        }
        demands
    }

    /// The first queue in which others wait: nobody passes them.
    fn behind_others(&self) -> Option<Missed> {
        let at = (0..self.found.len()).find(|at| self.is_behind(*at))?;
        let settings = &self.found.get(at)?.rule.settings;
        let aspect = if settings.rate.is_some() { Aspect::Rate } else { Aspect::Places };
        let is_waited_for = settings.rate.is_some() || settings.concurrency.is_some();
        is_waited_for.then_some(Missed { at, aspect, after: Duration::ZERO })
    }

    fn is_behind(&self, at: usize) -> bool {
        let has_turn = self.turn.as_ref().is_some_and(|turn| turn.at == at);
        !has_turn && self.found.get(at).is_some_and(|found| found.bucket.line.is_busy())
    }

    /// Takes step by step, from where it stopped.
    fn take(&mut self) -> Result<(), Missed> {
        let all = self.found.len();
        for (step, aspect) in Rule::<T>::ASPECTS.into_iter().enumerate() {
            for at in 0..all {
                if self.done > step * all + at {
                    continue;
                }
                self.step(at, aspect).map_err(|after| Missed { at, aspect, after })?;
                self.done += 1;
            }
        }
        Ok(())
    }

    fn step(&mut self, at: usize, aspect: Aspect) -> Result<(), Duration> {
        let is_behind = self.is_behind(at);
        let Some(Found { rule, bucket, .. }) = self.found.get(at) else { return Ok(()) };
        let share = self.store.as_ref().map_or(NonZeroU32::MIN, |store| store.replicas());
        match aspect {
            Aspect::Places => {
                let Some(most) = rule.settings.concurrency else { return Ok(()) };
                let most = NonZeroU32::new(most.get() / share).unwrap_or(NonZeroU32::MIN);
                let place = if is_behind { None } else { bucket.enter(most) };
                self.admission.hold(place.ok_or(PLACE_RETRY)?);
            }
            Aspect::Quota => {
                let Some(quota) = rule.settings.quota else { return Ok(()) };
                let most = NonZeroU64::new(quota.most.get() / NonZeroU64::from(share)).unwrap_or(NonZeroU64::MIN);
                let now = self.clock.unix();
                let page = Page::of(quota.unit, now);
                if !bucket.spend(most, page) {
                    return Err(page.end().saturating_sub(now));
                }
                self.spent.0.push((bucket.clone(), page));
            }
            Aspect::Rate if rule.settings.rate.is_none() => (),
            Aspect::Rate if is_behind => return Err(Duration::ZERO),
            Aspect::Rate => bucket.take(&self.clock)?,
        }
        Ok(())
    }
}

impl<T: Time> Drop for Spent<T> {
    fn drop(&mut self) {
        for (bucket, page) in self.0.drain(..) {
            bucket.unspend(page);
        }
    }
}
