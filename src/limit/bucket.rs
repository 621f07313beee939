//! What one name has left of a limit.

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota as Cells, RateLimiter,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use tokio::sync::Notify;

use super::{calendar::Page, line::Line, settings::Rate, time::Time};

type Limiter<T> = RateLimiter<NotKeyed, InMemoryState, T, NoOpMiddleware<Duration>>;

/// The rate, the places, the quota and the queue of one name.
pub(super) struct Bucket<T: Time> {
    rate: Option<Limiter<T>>,
    places: Arc<Places>,
    spent: Mutex<Spent>,
    pub(super) line: Arc<Line>,
    made: Duration,
    /// When it was last asked, in nanoseconds after it was made.
    asked: AtomicU64,
}

/// How many places are taken.
#[derive(Debug, Default)]
struct Places {
    taken: AtomicU32,
    freed: Notify,
}

/// What was taken of a quota, in which day or month.
#[derive(Debug, Default)]
struct Spent {
    /// When it ends, in seconds since 1970.
    end: u64,
    count: u64,
}

/// One place among those of a name. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
        self.0.freed.notify_one();
    }
}

impl<T: Time> Bucket<T> {
    /// A full bucket.
    pub(super) fn new(rate: Option<Rate>, share: NonZeroU32, clock: &T) -> Self {
        let cells = |rate: Rate| {
            let burst = NonZeroU32::new(rate.burst.get() / share).unwrap_or(NonZeroU32::MIN);
            Some(Cells::with_period(rate.pace.interval().saturating_mul(share.get()))?.allow_burst(burst))
        };
        let limiter = |cells| RateLimiter::direct_with_clock(cells, clock.clone());
        Self {
            rate: rate.and_then(cells).map(limiter),
            places: Arc::default(),
            spent: Mutex::default(),
            line: Arc::default(),
            made: clock.now(),
            asked: AtomicU64::new(0),
        }
    }

    /// A place, if fewer than `most` are taken.
    pub(super) fn enter(&self, most: NonZeroU32) -> Option<Place> {
        let more = |taken| (taken < most.get()).then_some(taken + 1);
        let entered = self.places.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        entered.ok().map(|_| Place(self.places.clone()))
    }

    /// Ready when a place may have become free. Only one hears of each.
    pub(super) async fn freed(&self) {
        self.places.freed.notified().await;
    }

    /// Takes one, or says after how long there will be one.
    pub(super) fn take(&self, clock: &T) -> Result<(), Duration> {
        let Some(rate) = &self.rate else { return Ok(()) };
        let since = clock.now().saturating_sub(self.made);
        self.asked.fetch_max(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        rate.check().map_err(|not_until| not_until.wait_time_from(clock.now()))
    }

    /// Takes one of a quota, unless all are taken.
    pub(super) fn spend(&self, most: NonZeroU64, page: Page) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back finds a later page: that one goes on.
        if page.end().as_secs() > spent.end {
            *spent = Spent { end: page.end().as_secs(), count: 0 };
        }
        let is_left = spent.count < most.get();
        spent.count += u64::from(is_left);
        is_left
    }

    /// The same with so much taken of its quota until then.
    pub(super) fn having_spent(self, (end, count): (u64, u64)) -> Self {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner) = Spent { end, count };
        self
    }

    /// What was taken of a quota, and until when that counts; nothing where nothing was, or it counts no more.
    pub(super) fn spent(&self, clock: &T) -> Option<(u64, u64)> {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        (spent.count > 0 && clock.unix().as_secs() < spent.end).then_some((spent.end, spent.count))
    }

    /// Gives back what was taken of a quota in that day or month, since its call was refused after all.
    pub(super) fn unspend(&self, page: Page) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.end == page.end().as_secs() {
            spent.count = spent.count.saturating_sub(1);
        }
    }

    /// Whether a new one would be the same: nobody holds a place or waits, nothing of a quota was taken in this day or month, and it
    /// has filled up again since it was last asked.
    pub(super) fn is_idle(&self, rate: Option<Rate>, share: NonZeroU32, clock: &T) -> bool {
        let refill = rate.map_or(0, |rate| {
            let refill = rate.pace.interval().saturating_mul(share.get()).saturating_mul(rate.burst.get());
            u64::try_from(refill.as_nanos()).unwrap_or(u64::MAX)
        });
        let age = u64::try_from(clock.now().saturating_sub(self.made).as_nanos()).unwrap_or(u64::MAX);
        self.places.taken.load(Ordering::Acquire) == 0
            && !self.line.is_busy()
            && self.spent(clock).is_none()
            && age.saturating_sub(self.asked.load(Ordering::Relaxed)) >= refill
    }
}
