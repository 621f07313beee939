//! The tasks of one HTTP/2 connection's streams: owned by the connection and gone with it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::JoinSet;

use super::stall::Watched;

/// Owns the tasks; dropping it ends them.
pub(super) struct Streams(Spawner);

/// Starts tasks that belong to a [`Streams`].
#[derive(Clone)]
pub(super) struct Spawner {
    tasks: Arc<Mutex<JoinSet<()>>>,
    /// How long a client may take nothing of one of them.
    patience: Duration,
}

impl Streams {
    pub(super) fn new(patience: Duration) -> Self {
        Self(Spawner { tasks: Arc::default(), patience })
    }

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
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, stream: F) {
        let mut tasks = self.tasks();
        // The set holds the streams that run, whose number hyper limits, and not all that ever ran.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(Watched::new(stream, self.patience));
    }
}
