//! What one name has left of a limit.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, Reference},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use smallvec::SmallVec;

use super::settings::Rate;

type Limiter<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The bucket and the places of one name.
pub(super) struct Bucket<C: Clock> {
    rate: Option<Limiter<C>>,
    in_flight: Arc<AtomicU32>,
    made: C::Instant,
    /// When it was last asked, in nanoseconds after it was made.
    asked: AtomicU64,
}

/// The places that a call holds. They are free again when it is dropped.
#[derive(Debug, Default)]
pub struct Admission(SmallVec<[Place; 2]>);

/// One place among those of a name.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicU32>);

impl Admission {
    pub(super) fn hold(&mut self, place: Place) {
        self.0.push(place);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<C: Clock + Clone> Bucket<C> {
    /// A full bucket.
    pub(super) fn new(rate: Option<Rate>, clock: &C) -> Self {
        let quota = |rate: Rate| Some(Quota::with_period(rate.pace.interval())?.allow_burst(rate.burst));
        let limiter = |quota| RateLimiter::direct_with_clock(quota, clock.clone());
        Self {
            rate: rate.and_then(quota).map(limiter),
            in_flight: Arc::default(),
            made: clock.now(),
            asked: AtomicU64::new(0),
        }
    }

    /// A place, if fewer than `most` are taken.
    pub(super) fn enter(&self, most: NonZeroU32) -> Option<Place> {
        let more = |taken| (taken < most.get()).then_some(taken + 1);
        let entered = self.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        entered.ok().map(|_| Place(self.in_flight.clone()))
    }

    /// Takes one, or says after how long there will be one.
    pub(super) fn take(&self, clock: &C) -> Result<(), Duration> {
        let Some(rate) = &self.rate else { return Ok(()) };
        self.asked.fetch_max(clock.now().duration_since(self.made).as_u64(), Ordering::Relaxed);
        rate.check().map_err(|not_until| not_until.wait_time_from(clock.now()))
    }

    /// Whether a new one would be the same: nobody holds a place, and it has filled up again since it was last asked.
    pub(super) fn is_idle(&self, rate: Option<Rate>, now: C::Instant) -> bool {
        let refill = rate.map_or(0, |rate| {
            let refill = rate.pace.interval().saturating_mul(rate.burst.get());
            u64::try_from(refill.as_nanos()).unwrap_or(u64::MAX)
        });
        let quiet = now.duration_since(self.made).as_u64().saturating_sub(self.asked.load(Ordering::Relaxed));
        self.in_flight.load(Ordering::Acquire) == 0 && quiet >= refill
    }
}
