//! Messages on their way to a server over HTTP that nobody waits for: bounded in number, counted, and gone with who sends them.

use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;

use crate::telemetry::{
    label,
    metrics::{InUse, METRICS, ServerMetrics},
};

/// What is on its way. Dropping it gives all of it up.
pub(super) struct Aside {
    sending: Mutex<JoinSet<()>>,
    metrics: ServerMetrics,
}

/// Too much is on its way already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Aside {
    /// Nothing yet; what comes is counted as this server's.
    pub(super) fn new(metrics: ServerMetrics) -> Self {
        Self { sending: Mutex::default(), metrics }
    }

    /// Carries out `send` beside everything else, unless `most` others are on their way.
    ///
    /// # Errors
    /// [`Full`], which is counted; `send` was dropped.
    pub(super) fn send(&self, most: usize, send: impl Future<Output = ()> + Send + 'static) -> Result<(), Full> {
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        while sending.try_join_next().is_some() {}
        if sending.len() >= most {
            METRICS.refused.of(label::Limit::MessagesAside).inc();
            return Err(Full);
        }
        let counted = InUse::of(self.metrics.messages_aside());
        sending.spawn(async move {
            send.await;
            drop(counted);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn as_many_are_on_their_way_as_may_be_and_not_one_more() {
        let metrics = METRICS.server("as many aside as may be");
        let (aside, stay) = (Aside::new(metrics.clone()), Arc::new(Notify::new()));
        let first = stay.clone();
        aside.send(256, async move { first.notified().await }).unwrap();
        for _ in 1..256 {
            aside.send(256, pending()).unwrap();
        }
        assert_eq!(aside.send(256, pending()), Err(Full));
        assert_eq!(metrics.messages_aside().get(), 256);
        stay.notify_one();
        while metrics.messages_aside().get() == 256 {
            tokio::task::yield_now().await;
        }
        aside.send(256, pending()).unwrap();
        drop(aside);
        // What is given up is dropped by the runtime.
        while metrics.messages_aside().get() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
