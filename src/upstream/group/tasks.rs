//! Tasks of a server: run to their end for clients that know none, and listened to for those that do.
//!
//! Sources: 2025-11-25 basic/utilities/tasks; the extension `io.modelcontextprotocol/tasks`, Status Notifications.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use smallvec::smallvec;
use tokio::{
    sync::{broadcast, oneshot},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    clock,
    era::legacy::task::{self, Standing},
    jsonrpc::Raw,
    mcp::{
        Caller, Event, Fault, Filter, LogInterest, Mirror, NewTask, Notice, Outcome, Params, ProgressInterest, Stage,
        TaskAct, TaskNotice, TaskSupport, UpstreamFault,
    },
    policy::Permitted,
    upstream::{
        any_exchange::AnyExchange,
        converse::{Exchange, Patience, Place, Told, converse},
        errand::{Errand, Tasking},
        mailbox::Item,
        overture::Overture,
        peer::{Peer, answer},
    },
};

use super::{core::Group, lease::Lease};

/// After how long a task is looked at again when its server does not say.
const POLL: Duration = Duration::from_secs(1);
/// The shortest and the longest that a server may say.
const POLL_BOUNDS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(30));

impl Group {
    /// Carries a call of a tool, as a task where the server runs the tool only so and the client did not ask for one.
    ///
    /// # Cancel safety
    /// Dropped, it cancels the call, or the task that it became, upstream.
    pub async fn carry_tool(
        self: &Arc<Self>,
        errand: Permitted<Errand>,
        support: TaskSupport,
        stage: Stage,
    ) -> Outcome {
        let errand = errand.into_inner();
        let is_alone = support == TaskSupport::Required && errand.tasking == Tasking::Nothing;
        if !is_alone || !self.greeting().await.is_ok_and(|greeting| greeting.offer.tasks) {
            return self.carry_errand(errand, stage).await;
        }
        let patience = self.upstream.settings().total_timeout;
        let started = clock::now();
        let trace = errand.trace.clone();
        let deadline = Instant::from_std(started + patience);
        let outcome = timeout_at(deadline, Box::pin(self.run_task(errand, stage, deadline)))
            .await
            .unwrap_or_else(|_| Err(self.broken(UpstreamFault::Timeout)));
        trace.spend(clock::now().saturating_duration_since(started));
        outcome.unwrap_or_else(Outcome::Failed)
    }

    async fn run_task(self: &Arc<Self>, errand: Errand, stage: Stage, deadline: Instant) -> Result<Outcome, Fault> {
        let lease = Arc::new(self.lease().await?);
        lease.peer.raise_log_level(errand.caller.log).await;
        if let Some(overture) = Overture::of(&lease.peer) {
            overture.play(&stage, errand.asker.as_deref(), deadline).await?;
        }
        // From before the task is there, so that nothing of it is missed.
        let heard = self.bus.subscribe();
        let made = match self.make_task(&lease, &errand).await? {
            Outcome::Task(made) => made,
            // The server ran it at once, or refused.
            outcome => return Ok(outcome),
        };
        let mut watch = Watch { stage, heard, id: made.id.clone(), errand: &errand, progress: None };
        let mut running = Running { lease: lease.clone(), id: made.id.clone(), is_over: false };
        self.await_task(&lease.peer, &made, &mut watch).await?;
        let outcome = self.fetch_result(&lease.peer, &made.id, &mut watch, deadline).await?;
        running.is_over = matches!(outcome, Outcome::Complete(_) | Outcome::Failed(Fault::Upstream(_)));
        Ok(match outcome {
            Outcome::Complete(result) => Outcome::Complete(task::unrelated(&result)),
            outcome => outcome,
        })
    }

    /// Has the server make a task. Whoever goes away before it is known leaves somebody behind who cancels it.
    async fn make_task(self: &Arc<Self>, lease: &Arc<Lease>, errand: &Errand) -> Result<Outcome, Fault> {
        let settings = self.upstream.settings();
        let (tell, told) = oneshot::channel();
        let (held, server, patience) = (lease.clone(), self.server().clone(), settings.timeout);
        let mut errand = Errand { tasking: Tasking::Wished, ..errand.clone() };
        errand.changes.push(("task", Some(task::wish(settings.total_timeout))));
        lease.peer.spawn(async move {
            let made = match held.peer.start(&errand) {
                Ok(mut exchange) => match timeout(patience, answer(&mut exchange)).await {
                    Ok(Ok(answer)) => Ok(exchange.dialect().outcome(&errand, &server, answer)),
                    Ok(Err(fault)) => Err(fault),
                    Err(_) => Err(UpstreamFault::Timeout),
                },
                Err(fault) => Err(fault),
            };
            if let Err(Ok(Outcome::Task(task))) = tell.send(made) {
                cancel(&held.peer, &task.id).await;
            }
        });
        told.await.unwrap_or(Err(UpstreamFault::Gone)).map_err(|fault| self.broken(fault))
    }

    /// Looks at a task as often as its server likes, until the server works on it no more.
    async fn await_task(&self, peer: &Peer, made: &NewTask, watch: &mut Watch<'_>) -> Result<(), Fault> {
        let patience = self.upstream.settings().timeout;
        let mut standing = made.result.member("task").as_ref().and_then(task::standing);
        while let Some(Standing { is_working: true, poll_after }) = standing {
            let pause = poll_after.unwrap_or(POLL).clamp(POLL_BOUNDS.0, POLL_BOUNDS.1);
            standing = match timeout(pause, watch.tell_until_changed()).await {
                Ok(told) => Some(told),
                Err(_) => {
                    let asked = peer.request(|_| task::ask(TaskAct::Get, &made.id), patience).await;
                    let answered = asked.map_err(|fault| self.broken(fault))?.map_err(Fault::Upstream)?;
                    task::standing(&answered)
                }
            };
        }
        standing.map(|_| ()).ok_or_else(|| self.broken(UpstreamFault::Garbled))
    }

    /// Waits for what came of a task. Its questions come meanwhile.
    async fn fetch_result(
        &self,
        peer: &Peer,
        id: &str,
        watch: &mut Watch<'_>,
        deadline: Instant,
    ) -> Result<Outcome, Fault> {
        let left = deadline.saturating_duration_since(Instant::from_std(clock::now()));
        let errand = Errand {
            method: TaskAct::Result.method().into(),
            params: Params::default(),
            changes: smallvec![("taskId", Some(Raw::string(id)))],
            mirror: Mirror::default(),
            progress: ProgressInterest::Unwanted,
            verb: None,
            tasking: Tasking::About(TaskAct::Result, id.into(), None),
            ..watch.errand.clone()
        };
        let exchange = peer.start(&errand).map_err(|fault| self.broken(fault))?;
        let patience = Patience { silence: left, total: left };
        let place = Place { server: self.server(), bus: &self.bus, since: Instant::from_std(clock::now()) };
        let (stage, mut told) = (watch.stage.clone(), Told::default());
        let talk = converse(exchange, &stage, &errand, place, patience, &mut told);
        tokio::pin!(talk);
        loop {
            tokio::select! {
                ended = &mut talk => return ended.map_err(|broken| self.broken(broken.fault)),
                _ = watch.tell_until_changed() => (),
            }
        }
    }
}

async fn cancel(peer: &Peer, id: &str) {
    const PATIENCE: Duration = Duration::from_secs(5);
    // A task that is over cannot be cancelled, and a server need not be able to.
    let _ = peer.request(|_| task::ask(TaskAct::Cancel, id), PATIENCE).await;
}

/// A task that runs for a call. Dropped before its end is known, it is cancelled: `notifications/cancelled` is not for tasks.
struct Running {
    lease: Arc<Lease>,
    id: String,
    is_over: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            let (held, id) = (self.lease.clone(), std::mem::take(&mut self.id));
            self.lease.peer.spawn(async move { cancel(&held.peer, &id).await });
        }
    }
}

/// Hears what the server says of one task to nobody in particular, and tells the client what it wants to know.
struct Watch<'a> {
    stage: Stage,
    heard: broadcast::Receiver<Notice>,
    id: String,
    errand: &'a Errand,
    progress: Option<f64>,
}

impl Watch<'_> {
    /// Ready when the server says how the task stands.
    ///
    /// # Cancel safety
    /// A notice is told or still to be heard; only one that waits for a slow listener is lost.
    async fn tell_until_changed(&mut self) -> Standing {
        loop {
            match self.heard.recv().await {
                Ok(Notice::Task(TaskNotice { id, params, .. })) if id == self.id => {
                    if let Some(standing) = task::standing(&params) {
                        return standing;
                    }
                }
                Ok(Notice::Progress(params)) if self.is_own(&params) => self.tell_progress(&params).await,
                Ok(Notice::Log(level, params)) if self.is_own(&params) && self.errand.caller.log.wants(level) => {
                    self.stage.say(Event::Notice(Notice::Log(level, task::unrelated(&params)))).await;
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => (),
                // The group is held, so its bus is there.
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    fn is_own(&self, params: &Raw) -> bool {
        task::related(params).is_some_and(|id| id == self.id)
    }

    async fn tell_progress(&mut self, params: &Raw) {
        let value: Option<f64> = params.member("progress").and_then(|value| value.as_str().parse().ok());
        let grows = value.is_some() && self.progress.is_none_or(|last| value > Some(last));
        if grows && self.errand.progress == ProgressInterest::Wanted {
            self.progress = value;
            self.stage.say(Event::Notice(Notice::Progress(task::unrelated(params)))).await;
        }
    }
}

/// A listener to tasks of a modern server: a subscription of its own, so that nobody else hears of them. Dropping it ends it.
pub struct TaskListening {
    group: Arc<Group>,
    exchange: AnyExchange,
    /// The tasks that are heard of.
    pub granted: Vec<String>,
}

impl Group {
    /// Listens to tasks, all known to the same peer where that matters.
    ///
    /// # Errors
    /// The fault of reaching the server, or its refusal.
    pub async fn listen_tasks(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        ids: &[String],
        mark: Option<&str>,
    ) -> Result<TaskListening, Fault> {
        const PATIENCE: Duration = Duration::from_secs(3);
        let lease = match mark.and_then(|mark| self.lease_of(mark)) {
            Some(lease) => lease,
            None => self.lease().await?,
        };
        let filter = Filter { task_ids: ids.to_vec(), ..Filter::default() };
        let quiet = Arc::new(Caller { log: LogInterest::Off, ..Caller::clone(caller) });
        let errand = Errand::of_gateway(quiet, "subscriptions/listen", Some(("notifications", filter.to_raw())));
        let mut exchange = lease.peer.start(&errand).map_err(|fault| self.broken(fault))?;
        let granted = match timeout(PATIENCE, exchange.next()).await {
            Ok(Item::Notice(Notice::Acknowledged(granted))) => granted.task_ids,
            Ok(Item::Answer(Err(error))) => return Err(Fault::Upstream(error)),
            Ok(Item::Broken(broken)) => return Err(self.broken(broken.fault)),
            Ok(_) => return Err(self.broken(UpstreamFault::Garbled)),
            Err(_) => return Err(self.broken(UpstreamFault::Timeout)),
        };
        self.listeners.fetch_add(1, Ordering::AcqRel);
        Ok(TaskListening { group: self.clone(), exchange, granted })
    }
}

impl TaskListening {
    /// How the next task stands. `None` when the server ended the subscription.
    ///
    /// # Cancel safety
    /// No notice is lost.
    pub async fn next(&mut self) -> Option<TaskNotice> {
        loop {
            match self.exchange.next().await {
                Item::Notice(Notice::Task(notice)) if self.granted.contains(&notice.id) => return Some(notice),
                Item::Answer(_) | Item::Broken(_) => return None,
                _ => (),
            }
        }
    }
}

impl Drop for TaskListening {
    fn drop(&mut self) {
        self.group.touch();
        self.group.listeners.fetch_sub(1, Ordering::AcqRel);
    }
}
