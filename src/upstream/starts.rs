//! Whose turn it is to start a program: so many at a time over all servers, so that a hundred of them do not stampede.

use std::time::Duration;

use tokio::{sync::Semaphore, time::timeout};

use crate::telemetry::metrics::{InUse, METRICS};

/// The longest that one start keeps others waiting: it is busy at first and then waits, for a download or for ever.
const TURN: Duration = Duration::from_secs(3);
/// Where nobody says how many: what the configuration's default is.
const USUAL: usize = 8;

/// The turns of one gateway.
#[derive(Debug)]
pub struct Starts {
    places: Semaphore,
    turn: Duration,
}

impl Default for Starts {
    fn default() -> Self {
        Self::new(USUAL)
    }
}

impl Starts {
    /// So many at a time.
    pub fn new(at_once: usize) -> Self {
        Self { places: Semaphore::new(at_once), turn: TURN }
    }

    /// Runs a start when it is its turn. One that takes longer than a turn goes on beside its successors.
    ///
    /// # Cancel safety
    /// Dropped, it gives its turn to the next.
    pub(super) async fn run<T>(&self, start: impl Future<Output = T>) -> T {
        let waits = InUse::of(&METRICS.starts_waiting);
        // It is never closed.
        let turn = self.places.acquire().await;
        drop(waits);
        let runs = InUse::of(&METRICS.starts);
        tokio::pin!(start);
        if let Ok(started) = timeout(self.turn, &mut start).await {
            return started;
        }
        drop((turn, runs));
        start.await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tokio::task::{JoinSet, yield_now};

    use super::*;

    #[tokio::test]
    async fn a_hundred_start_a_few_at_a_time() {
        let (starts, running, most) = (Arc::new(Starts::new(3)), Arc::new(AtomicUsize::new(0)), Arc::default());
        let mut all = JoinSet::new();
        for _ in 0..100 {
            let (starts, running, most): (_, _, Arc<AtomicUsize>) =
                (starts.clone(), running.clone(), Arc::clone(&most));
            all.spawn(async move {
                let start = async {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    yield_now().await;
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                starts.run(start).await;
            });
        }
        all.join_all().await;
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn starts_that_hang_keep_others_waiting_for_a_turn_and_no_longer() {
        let starts = Arc::new(Starts { turn: Duration::from_millis(1), ..Starts::new(2) });
        let mut hung = JoinSet::new();
        for _ in 0..20 {
            let starts = starts.clone();
            hung.spawn(async move { starts.run(pending::<()>()).await });
        }
        yield_now().await;
        assert_eq!(timeout(Duration::from_secs(20), starts.run(async { 1 })).await, Ok(1));
    }
}
