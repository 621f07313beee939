//! The waker of a connection that has no task: it notes a wake-up while somebody is polling or nobody is interested, and passes it
//! on to the task that waits.
//!
//! Without it each message between hyper's two halves, both polled by the same task, would make the runtime run that task again.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Wake, Waker},
};

/// Being polled, or parked in the pool: a wake-up is only noted.
const QUIET: u8 = 0;
/// There was a wake-up since [`Relay::listen`].
const WOKEN: u8 = 1;
/// A task waits: wake it.
const WAITING: u8 = 2;

#[derive(Debug, Default)]
pub(super) struct Relay {
    state: AtomicU8,
    task: Mutex<Option<Waker>>,
}

impl Relay {
    /// Forgets noted wake-ups: whoever polls next sees their causes.
    pub(super) fn listen(&self) {
        self.state.store(QUIET, Ordering::SeqCst);
    }

    pub(super) fn is_woken(&self) -> bool {
        self.state.load(Ordering::SeqCst) == WOKEN
    }

    /// Passes the next wake-up on to `task`; false when one came since [`Relay::listen`] and there is something to poll again.
    pub(super) fn wait_for(&self, task: &Waker) -> bool {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.clone());
        self.state.compare_exchange(QUIET, WAITING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::SeqCst) == WAITING {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}
