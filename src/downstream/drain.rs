//! The signal that ends a listener in good order: nothing new is accepted, what runs may finish until a deadline.
//!
//! It carries only the signal. Who finishes what is the business of whoever holds a [`Drain`].

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::clock;

/// Makes a signal and its receiving end.
pub fn drain() -> (Drainer, Drain) {
    let (sender, receiver) = watch::channel(None);
    (Drainer(sender), Drain(receiver))
}

/// The end that starts the drain. Dropping it starts one that grants no time.
#[derive(Debug)]
pub struct Drainer(watch::Sender<Option<Instant>>);

impl Drainer {
    /// Starts the drain; what is not finished after `grace` is cut off. A second call can only shorten the time.
    pub fn start(&self, grace: Duration) {
        let deadline = clock::now() + grace;
        self.0.send_modify(|current| *current = Some(current.map_or(deadline, |earlier| earlier.min(deadline))));
    }
}

/// The end that learns of it.
#[derive(Clone, Debug)]
pub struct Drain(watch::Receiver<Option<Instant>>);

impl Drain {
    /// Waits for the drain to start.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped; a later call returns at once if the drain has started.
    pub async fn started(&mut self) {
        // An error means that the drainer is gone, which starts a drain, too.
        let _gone = self.0.wait_for(Option::is_some).await;
    }

    /// Waits until the time granted by the drain is over.
    ///
    /// # Cancel safety
    /// As for [`Drain::started`].
    pub async fn expired(&mut self) {
        loop {
            self.started().await;
            let Some(deadline) = *self.0.borrow_and_update() else { return };
            tokio::select! {
                () = tokio::time::sleep_until(deadline.into()) => return,
                changed = self.0.changed() => if changed.is_err() { return },
            }
        }
    }

    /// What is left of the time granted; none where no drain has started.
    pub fn left(&self) -> Duration {
        self.0.borrow().map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(clock::now()))
    }

    /// Whether the drain has started.
    pub fn has_started(&self) -> bool {
        self.0.borrow().is_some() || self.0.has_changed().is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_start_can_only_shorten_the_time() {
        let (drainer, mut drain) = drain();
        assert!(!drain.has_started());
        drainer.start(Duration::from_secs(3600));
        drain.started().await;
        drainer.start(Duration::ZERO);
        drainer.start(Duration::from_secs(3600));
        drain.expired().await;
    }

    #[tokio::test]
    async fn a_lost_drainer_starts_a_drain_without_time() {
        let (drainer, mut drain) = drain();
        drop(drainer);
        drain.expired().await;
        assert!(drain.has_started());
    }
}
