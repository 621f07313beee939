//! The tasks of one HTTP/2 connection's streams: owned by the connection and gone with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

/// Owns the tasks; dropping it ends them.
#[derive(Default)]
pub(super) struct Streams(Spawner);

/// Starts tasks that belong to a [`Streams`].
#[derive(Clone, Default)]
pub(super) struct Spawner(Arc<Mutex<JoinSet<()>>>);

impl Streams {
    pub(super) fn spawner(&self) -> Spawner {
        self.0.clone()
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.0.tasks().abort_all();
    }
}

impl Spawner {
    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, stream: F) {
        let mut tasks = self.tasks();
        // The set holds the streams that run, whose number hyper limits, and not all that ever ran.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(stream);
    }
}
