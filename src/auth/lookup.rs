//! Looking tokens up elsewhere: one question at a time for each token, whoever presents it, and a bounded number of questions in all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OnceCell, Semaphore};

use crate::telemetry::{
    label,
    metrics::{InUse, METRICS},
};

use super::{cache::Digest, claims::Found, refused::Refused};

/// Look-ups on their way.
pub(super) struct Lookups {
    open: Mutex<HashMap<Digest, Shared>>,
    places: Semaphore,
}

type Shared = Arc<OnceCell<Result<Found, Refused>>>;

impl Lookups {
    pub(super) fn new(max: usize) -> Self {
        Self { open: Mutex::default(), places: Semaphore::new(max.min(Semaphore::MAX_PERMITS)) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Shared>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `ask` answers, or what somebody else who asks for the same token is answered.
    ///
    /// # Cancel safety
    /// When whoever asks is dropped, one of those who wait asks anew.
    pub(super) async fn share(
        &self,
        digest: Digest,
        ask: impl Future<Output = Result<Found, Refused>>,
    ) -> Result<Found, Refused> {
        let waiting = Waiting { lookups: self, digest, shared: self.lock().entry(digest).or_default().clone() };
        waiting.shared.get_or_init(|| self.counted(ask)).await.clone()
    }

    async fn counted(&self, ask: impl Future<Output = Result<Found, Refused>>) -> Result<Found, Refused> {
        let Ok(_place) = self.places.try_acquire() else {
            METRICS.refused.of(label::Limit::Lookups).inc();
            return Err(Refused::Busy);
        };
        let _counted = InUse::of(&METRICS.lookups_in_flight);
        let answer = ask.await;
        let result = match &answer {
            Ok(_) => label::Lookup::Known,
            Err(Refused::Unavailable | Refused::Busy) => label::Lookup::Unavailable,
            Err(_) => label::Lookup::Refused,
        };
        METRICS.lookups.of(result).inc();
        answer
    }
}

/// Somebody who waits for an answer; the last one to go takes the question along.
struct Waiting<'a> {
    lookups: &'a Lookups,
    digest: Digest,
    shared: Shared,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut open = self.lookups.lock();
        // An answer is for those who waited: whoever comes later finds it in the cache, or asks anew.
        let is_over = self.shared.initialized() || Arc::strong_count(&self.shared) == 2;
        if is_over && open.get(&self.digest).is_some_and(|shared| Arc::ptr_eq(shared, &self.shared)) {
            open.remove(&self.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn one_question_answers_all_who_present_the_token_and_is_forgotten_then() {
        let lookups = Lookups::new(1);
        let (answer, answered) = oneshot::channel::<()>();
        let first = lookups.share([1; 32], async {
            answered.await.unwrap();
            Err(Refused::InvalidToken)
        });
        let second = lookups.share([1; 32], async { panic!("asked twice") });
        let other = lookups.share([2; 32], async { panic!("there is one place only") });
        let (first, second, other, ()) = tokio::join!(biased; first, second, other, async { answer.send(()).unwrap() });
        assert_eq!((first.err(), second.err()), (Some(Refused::InvalidToken), Some(Refused::InvalidToken)));
        assert_eq!(other.err(), Some(Refused::Busy));
        assert!(lookups.lock().is_empty());
        assert_eq!(lookups.share([2; 32], async { Err(Refused::Scope) }).await.err(), Some(Refused::Scope));
    }

    #[tokio::test]
    async fn whoever_waits_asks_anew_when_the_first_one_went_away() {
        let lookups = Lookups::new(1);
        let mut first = Box::pin(lookups.share([1; 32], std::future::pending()));
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(first.as_mut().poll(context).is_pending())).await
        );
        let second = lookups.share([1; 32], async { Err(Refused::InvalidToken) });
        let (second, ()) = tokio::join!(biased; second, async { drop(first) });
        assert_eq!(second.err(), Some(Refused::InvalidToken));
        assert!(lookups.lock().is_empty());
    }
}
