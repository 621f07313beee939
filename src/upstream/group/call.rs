//! What a group does with a call, and what it knows of its server.

use std::sync::{Arc, PoisonError};

use tokio::time::{Instant, sleep};

use crate::{
    clock,
    era::{legacy, meta},
    jsonrpc::{self, Raw},
    mcp::{Caller, Fault, Outcome, Stage, UpstreamFault, Verb},
    policy::Permitted,
    telemetry::label,
    upstream::{
        converse::{Patience, Place, Told, converse, knows_unknown},
        errand::{Errand, Greeting, Tasking},
        mailbox::Broken,
        overlong,
        overture::Overture,
        settings::Overlong,
    },
};

use super::{core::Group, key::Owner};

impl Group {
    /// Carries a call: what the server says on the way goes to `stage`.
    ///
    /// # Cancel safety
    /// Dropped, it cancels the call upstream.
    pub async fn carry(self: &Arc<Self>, errand: Permitted<Errand>, stage: Stage) -> Outcome {
        self.carry_errand(errand.into_inner(), stage).await
    }

    pub(super) async fn carry_errand(self: &Arc<Self>, mut errand: Errand, stage: Stage) -> Outcome {
        match self.upstream.statement(&errand.caller.principal).await {
            Ok(None) => (),
            Ok(Some(statement)) => errand.params = meta::asserting(&errand.params, statement.expose()),
            Err(fault) => return Outcome::Failed(Fault::Broken(self.server().clone(), fault)),
        }
        let settings = self.upstream.settings();
        // Who waits for a task's end waits in silence.
        let silence = if errand.tasking.awaited().is_some() { settings.total_timeout } else { settings.timeout };
        let mut patience = Patience { silence, total: settings.total_timeout };
        let retries = self.upstream.retries();
        retries.count_call();
        let (mut told, mut repeated) = (Told::default(), 0);
        loop {
            let broken = match self.attempt(&errand, &stage, patience, &mut told).await {
                Ok(outcome) => return outcome,
                Err(broken) => broken,
            };
            let failed = Outcome::Failed(Fault::Broken(self.server().clone(), broken.fault));
            // Who was asked would be asked again.
            let again = if told.asked == 0 { retries.again(&errand, broken, repeated) } else { None };
            patience.total = patience.total.saturating_sub(errand.trace.upstream_time());
            let Some(pause) = again.filter(|pause| *pause < patience.total) else { return failed };
            tracing::debug!(server = &**self.server(), fault = %broken.fault, ?pause, "call is made again");
            sleep(pause).await;
            repeated += 1;
        }
    }

    /// Makes a call once.
    async fn attempt(
        self: &Arc<Self>,
        errand: &Errand,
        stage: &Stage,
        patience: Patience,
        told: &mut Told,
    ) -> Result<Outcome, Broken> {
        let known = match &errand.tasking {
            Tasking::About(_, _, Some(mark)) => self.lease_of(mark),
            _ => None,
        };
        let leased = match known {
            Some(lease) => Ok(lease),
            None => self.lease().await,
        };
        let mut lease = match leased {
            Ok(lease) => lease,
            Err(fault) => return Ok(Outcome::Failed(fault)),
        };
        lease.peer.raise_log_level(errand.caller.log).await;
        if let Some(overture) = Overture::of(&lease.peer) {
            let deadline = Instant::from_std(clock::now() + patience.silence);
            if let Err(fault) = overture.play(stage, errand.asker.as_deref(), deadline).await {
                return Ok(Outcome::Failed(fault));
            }
        }
        let started = clock::now();
        let exchange = lease.peer.start(errand).map_err(Broken::unsent)?;
        let place = Place { server: self.server(), bus: &self.bus, since: Instant::from_std(started) };
        let outcome = converse(exchange, stage, errand, place, patience, told).await;
        let ended = clock::now();
        lease.ends_at(ended);
        let taken = ended.saturating_duration_since(started);
        errand.trace.spend(taken);
        self.upstream.metrics().answered(taken);
        let largest = self.upstream.settings().max_result_bytes;
        let outcome = outcome?;
        if lease.peer.answers() {
            self.record.answers();
        }
        match outcome {
            Outcome::Complete(result) if result.bytes().len() > largest => {
                self.overlong(errand, &result).map(Outcome::Complete).ok_or_else(|| UpstreamFault::TooLarge.into())
            }
            Outcome::Task(mut task) => {
                task.peer.clone_from(&lease.peer.mark);
                self.keep_for_task(task.ttl);
                Ok(Outcome::Task(task))
            }
            outcome => Ok(outcome),
        }
    }

    /// What is passed back of a result that is too large.
    fn overlong(&self, errand: &Errand, result: &Raw) -> Option<Raw> {
        let settings = self.upstream.settings();
        let is_cut = settings.overlong == Overlong::Cut && errand.verb == Some(Verb::CallTool);
        let left = if is_cut { overlong::cut(result, settings.max_result_bytes) } else { None };
        let outcome = if left.is_some() { label::Overlong::Cut } else { label::Overlong::Refused };
        self.upstream.metrics().overlong(outcome);
        left
    }

    /// Whether these arguments are small enough to be passed on to the server.
    pub fn takes(&self, arguments: Option<&Raw>) -> bool {
        let most = self.upstream.settings().max_arguments_bytes;
        arguments.is_none_or(|arguments| arguments.bytes().len() <= most)
    }

    /// What the server offers; it is reached for that if it never was.
    ///
    /// # Errors
    /// The fault of reaching it.
    pub async fn greeting(self: &Arc<Self>) -> Result<Arc<Greeting>, Fault> {
        if let Some(greeting) = self.greeting_now() {
            return Ok(greeting);
        }
        drop(self.lease().await?);
        self.greeting.load_full().ok_or(Fault::Internal)
    }

    /// What the server offers, or did before; nothing of one that was never reached.
    pub fn greeting_now(&self) -> Option<Arc<Greeting>> {
        self.greeting.load_full().or_else(|| self.remembered.clone())
    }

    /// A client's notification that nobody here knows: legacy peers of its own hear of it. A modern server hears nothing of clients
    /// between their requests, and what everybody shares nothing of one of them.
    pub fn pass_on(&self, told: Permitted<(&str, Option<&Raw>)>) {
        let (method, params) = told.into_inner();
        if self.key.owner == Owner::Everybody {
            return;
        }
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        for peer in peers.iter().filter(|peer| peer.greeting.dialect.is_legacy()) {
            peer.post(jsonrpc::notification(method, params));
        }
    }

    /// Whether a caller is told what the server says to nobody in particular and in no words of MCP: not across the eras, not where
    /// principals share, and of modern clients only those that declared extensions.
    pub fn tells_unknown(&self, caller: &Caller) -> bool {
        let is_legacy = self.greeting_now().is_some_and(|greeting| greeting.dialect.is_legacy());
        let is_same_era = is_legacy == caller.session.is_some();
        self.key.owner != Owner::Everybody && is_same_era && knows_unknown(is_legacy, caller)
    }

    /// The client's roots changed: legacy peers of its own are told, those that were told of roots at all.
    pub fn roots_changed(&self) {
        if self.key.owner == Owner::Everybody {
            return;
        }
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        for peer in peers.iter().filter(|peer| peer.greeting.dialect.is_legacy() && self.key.profile.roots) {
            peer.post(legacy::back::roots_changed());
        }
    }
}
