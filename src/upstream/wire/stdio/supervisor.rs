//! The task that owns a child: it waits for its end, brings it about when asked, and reaps it.

use std::{future::pending, process::ExitStatus, sync::Arc, time::Duration};

use tokio::{
    signal::unix::Signal,
    sync::{Notify, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{launch::StopGraces, outbox::Outbox, process::Process, seat::Seat};

/// What a kill may take before the next, harder one. Only a process that hangs in the kernel needs any of it.
pub(super) const KILL_GRACE: Duration = Duration::from_secs(1);
/// How long to read on after the end: the reason for it is often the last thing written to stderr.
const STDERR_GRACE: Duration = Duration::from_millis(200);

pub(super) struct Supervisor {
    pub(super) process: Arc<Process>,
    /// Tells that some child of this process has ended.
    pub(super) ended: Signal,
    pub(super) outbox: Arc<Outbox>,
    pub(super) writer: JoinHandle<()>,
    pub(super) stderr: JoinHandle<()>,
    pub(super) stop: Arc<Notify>,
    pub(super) seat: Arc<Seat>,
    pub(super) graces: StopGraces,
    pub(super) status: watch::Sender<Option<ExitStatus>>,
}

impl Supervisor {
    /// Runs until the process is reaped. Dropped (with the runtime), it closes the pipes, and the guard does the rest.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        let ended = tokio::select! {
            status = self.exit() => Some(status),
            () = stop.notified() => None,
        };
        let status = match ended {
            Some(status) => status,
            None => self.stop_by_degrees().await,
        };
        self.seat.free();
        self.outbox.abort();
        self.writer.abort();
        if timeout(STDERR_GRACE, &mut self.stderr).await.is_err() {
            self.stderr.abort();
        }
        self.status.send_replace(Some(status));
    }

    /// The sequence of the specification: stdin closed, SIGTERM, SIGKILL, each with its grace.
    async fn stop_by_degrees(&mut self) -> ExitStatus {
        type Step = fn(&Supervisor);
        let StopGraces { eof, term } = self.graces;
        let steps: [(Step, Duration); 3] = [
            (|this| this.outbox.close(), eof),
            (|this| this.process.terminate(), term),
            (|this| this.process.kill_descendants(), KILL_GRACE),
        ];
        for (step, grace) in steps {
            step(self);
            if let Ok(status) = timeout(grace, self.exit()).await {
                return status;
            }
        }
        self.process.kill_group();
        self.exit().await
    }

    async fn exit(&mut self) -> ExitStatus {
        loop {
            match self.process.try_reap() {
                Ok(Some(status)) => return status,
                Ok(None) => {}
                // Somebody else waited for it: it is gone, how nobody can tell.
                Err(_) => return ExitStatus::default(),
            }
            if self.ended.recv().await.is_none() {
                // The runtime ends, and this task with it.
                pending::<()>().await;
            }
        }
    }
}
