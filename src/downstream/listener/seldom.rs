//! A future beside another one of the same task: it is looked at when it calls, and not each time the other one does.
//!
//! A connection's task runs several times for each request, and each look at the signal of a drain takes the lock that all connections
//! share.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// A future that is seldom looked at.
pub(super) struct Seldom<F> {
    future: F,
    bell: Arc<Bell>,
    /// Rings it.
    waker: Waker,
    /// Whom it wakes.
    task: Waker,
}

/// Rings when there is something to look at.
struct Bell {
    has_rung: AtomicBool,
    task: Mutex<Waker>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

impl<F: Future + Unpin> Seldom<F> {
    pub(super) fn new(future: F) -> Self {
        // It has rung: the first look is owed.
        let bell = Arc::new(Bell { has_rung: AtomicBool::new(true), task: Mutex::new(Waker::noop().clone()) });
        let waker = Waker::from(bell.clone());
        Self { future, bell, waker, task: Waker::noop().clone() }
    }
}

impl<F: Future + Unpin> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, bell, waker, task } = &mut *self;
        if !task.will_wake(context.waker()) {
            task.clone_from(context.waker());
            bell.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(task);
        }
        if !bell.has_rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        bell.has_rung.store(false, Ordering::Release);
        Pin::new(future).poll(&mut Context::from_waker(waker))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, pin::pin};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn it_is_looked_at_once_and_then_when_it_calls() {
        let (sender, mut receiver) = oneshot::channel::<()>();
        let looks = Cell::new(0);
        let counted = std::future::poll_fn(|context| {
            looks.set(looks.get() + 1);
            Pin::new(&mut receiver).poll(context)
        });
        let mut seldom = pin!(Seldom::new(counted));
        for _ in 0..5 {
            assert!(std::future::poll_fn(|context| Poll::Ready(seldom.as_mut().poll(context))).await.is_pending());
        }
        assert_eq!(looks.get(), 1);
        sender.send(()).unwrap();
        assert_eq!(seldom.await, Ok(()));
        assert_eq!(looks.get(), 2);
    }
}
