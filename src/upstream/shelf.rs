//! The place of one list: what is there, who reads it anew, and what callers were answered meanwhile.
//!
//! One read at a time, however many ask. Nobody waits for a server longer than once: from then on callers get what there is until
//! the server answers.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use crate::{clock, mcp::UpstreamFault};

use super::catalog::Stock;

/// After a read that failed, the next one is begun no sooner: a crowd of callers does not knock at a dead server without a pause.
const PAUSE: Duration = Duration::from_secs(1);

/// How a read ended.
pub(super) type Fetched = Result<Arc<Stock>, UpstreamFault>;

/// The place of one list.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    stock: ArcSwapOption<Stock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    reading: Option<Reading>,
    /// When the last read failed, if none succeeded since.
    failed: Option<Instant>,
    /// Somebody was answered without the list, or with one that the server had said is another.
    owes: bool,
}

#[derive(Debug)]
struct Reading {
    since: Instant,
    done: watch::Receiver<Option<Fetched>>,
}

impl Reading {
    fn goes_on(&self) -> bool {
        self.done.borrow().is_none() && self.done.has_changed().is_ok()
    }
}

/// Whether those who listen are to hear of a list that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// They know of something else, and nobody told them.
    Untold,
    /// Nothing, or they were told.
    None,
}

impl Shelf {
    /// One that begins with a list from before.
    pub(super) fn with(kept: Option<Stock>) -> Self {
        Self { stock: ArcSwapOption::new(kept.map(Arc::new)), state: Mutex::default() }
    }

    /// What is there, fresh or not.
    pub(super) fn current(&self) -> Option<Arc<Stock>> {
        self.stock.load_full()
    }

    /// Another form of what is there; what was read meanwhile stays. Whether it took the place.
    pub(super) fn exchange(&self, old: &Arc<Stock>, new: Stock) -> bool {
        let _state = self.lock();
        let is_same = self.stock.load().as_ref().is_some_and(|now| Arc::ptr_eq(now, old));
        if is_same {
            self.stock.store(Some(Arc::new(new)));
        }
        is_same
    }

    /// Joins the read under way, or starts one with `spawn`.
    pub(super) fn read(&self, spawn: impl FnOnce(Fetch)) -> watch::Receiver<Option<Fetched>> {
        let mut state = self.lock();
        if let Some(under_way) = state.reading.as_ref().filter(|reading| reading.goes_on()) {
            return under_way.done.clone();
        }
        let (done, receiver) = watch::channel(None);
        state.reading = Some(Reading { since: clock::now(), done: receiver.clone() });
        spawn(Fetch(done));
        receiver
    }

    /// Whether a read may be begun: none is under way, and none failed just now.
    pub(super) fn may_read(&self) -> bool {
        let state = self.lock();
        let is_free = state.reading.as_ref().is_none_or(|reading| !reading.goes_on());
        is_free && state.failed.is_none_or(|failed| clock::now().saturating_duration_since(failed) >= PAUSE)
    }

    /// Whether the server is not worth waiting for: it has let somebody wait for so long already, or the last read failed.
    pub(super) fn is_late(&self, deadline: Duration) -> bool {
        let state = self.lock();
        match state.reading.as_ref().filter(|reading| reading.goes_on()) {
            Some(reading) if clock::now().saturating_duration_since(reading.since) >= deadline => true,
            _ => state.failed.is_some(),
        }
    }

    /// Somebody is answered with less than there should be: whoever listens hears when it comes.
    pub(super) fn owe(&self) {
        self.lock().owes = true;
    }

    /// Whether the server should have listed it by now: the last read failed, or callers no longer wait for the one under way.
    pub(super) fn owes(&self) -> bool {
        let state = self.lock();
        state.owes || state.failed.is_some()
    }

    /// Puts a list that was read in its place and tells those who wait. Before, so that who is told finds it there.
    pub(super) fn finish(&self, fetch: &Fetch, read: Result<Stock, UpstreamFault>) -> News {
        let mut state = self.lock();
        let (fetched, news) = match read {
            Ok(stock) => {
                state.failed = None;
                let owed = std::mem::take(&mut state.owes);
                let (stock, news) = self.place(stock, owed);
                (Ok(stock), news)
            }
            Err(fault) => {
                state.failed = Some(clock::now());
                (Err(fault), News::None)
            }
        };
        drop(state);
        fetch.0.send_replace(Some(fetched));
        news
    }

    fn place(&self, stock: Stock, owed: bool) -> (Arc<Stock>, News) {
        let old = self.stock.load_full();
        let (stock, is_other) = match &old {
            Some(old) if old.offers_the_same(&stock) => (stock.like(old), false),
            _ => (stock, true),
        };
        // What the server announced was told when it did; but not to somebody who asked then and got the old one.
        let announced = old.as_ref().is_none_or(|old| old.generation() != stock.generation());
        let stock = Arc::new(stock);
        self.stock.store(Some(stock.clone()));
        (stock, if is_other && (owed || !announced) { News::Untold } else { News::None })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A read under way. Dropping it without [`Shelf::finish`] tells those who wait that it failed.
#[derive(Debug)]
pub(super) struct Fetch(watch::Sender<Option<Fetched>>);

/// Waits for a read.
pub(super) async fn outcome(mut fetch: watch::Receiver<Option<Fetched>>) -> Fetched {
    match fetch.wait_for(Option::is_some).await {
        Ok(fetched) => fetched.clone().unwrap_or(Err(UpstreamFault::Gone)),
        Err(_) => Err(UpstreamFault::Gone),
    }
}
