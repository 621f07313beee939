//! Looking after the replicas of one server while it is configured: names are looked up again, and replicas are looked at.
//!
//! One task for each server that needs it. It ends with the server, and ends the sessions that were kept for its looks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Interval, MissedTickBehavior, interval_at, timeout},
};

use crate::telemetry::label::Success;

use super::{
    look::{Kept, Looker},
    opening::Verdict,
    settings::{HttpSettings, Watched},
    wire::http::{Opinion, Pin},
};

/// How long the sessions that were kept for looks may take to end.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// The era of the server, as soon as somebody found it.
pub(super) type Known = Arc<Mutex<Option<Verdict>>>;

/// The task. Dropped, it ends at once.
pub(super) struct Tending {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Tending {
    /// Begins, where there is anything to look after.
    pub(super) fn begin(settings: &HttpSettings, looker: Looker, known: Known) -> Option<Self> {
        let looks = settings.health.watched != Watched::Never;
        if settings.resolve.is_none() && !looks {
            return None;
        }
        let (stop, stopped) = watch::channel(false);
        let round = Round { known, looker, watched: settings.health.watched, kept: Vec::new() };
        let (resolve, health) = (settings.resolve.map(every), looks.then(|| every(settings.health.interval)));
        Some(Self { stop, task: tokio::spawn(tend(round, (resolve, health), stopped)) })
    }

    /// Ends it in order.
    pub(super) async fn end(mut self) {
        self.stop.send_replace(true);
        let _ = timeout(END_PATIENCE, &mut self.task).await;
    }
}

impl Drop for Tending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn every(time: Duration) -> Interval {
    let mut ticks = interval_at(tokio::time::Instant::now() + time, time);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

async fn tend(
    mut round: Round,
    (mut resolve, mut health): (Option<Interval>, Option<Interval>),
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let is_look = tokio::select! {
            biased;
            _ = stopped.changed() => break,
            () = tick(&mut resolve) => false,
            () = tick(&mut health) => true,
        };
        let replicas = round.looker.courier.replicas().clone();
        let known = *round.known.lock().unwrap_or_else(PoisonError::into_inner);
        match (is_look, known) {
            (false, _) => replicas.refresh().await,
            (true, Some(verdict)) => round.look(replicas.pins(), verdict).await,
            // Nobody knows yet in which way to ask it.
            (true, None) => (),
        }
    }
    round.end().await;
}

/// Looks at all replicas, and what is kept between them.
struct Round {
    known: Known,
    looker: Looker,
    watched: Watched,
    kept: Vec<(Pin, Kept)>,
}

impl Round {
    async fn look(&mut self, pins: Vec<Pin>, verdict: Verdict) {
        let looked_at = if pins.len() > 1 || self.watched == Watched::Always { pins } else { Vec::new() };
        let mut looks = JoinSet::new();
        for pin in looked_at {
            let kept = self.kept.iter().position(|(known, _)| *known == pin).map(|at| self.kept.swap_remove(at).1);
            let looker = self.looker.clone();
            looks.spawn(async move {
                let (kept, found) = looker.look(&pin, verdict, kept).await;
                (pin, kept, found)
            });
        }
        // Of replicas that are not there any more.
        self.end().await;
        while let Some(looked) = looks.join_next().await {
            let Ok((pin, kept, found)) = looked else { continue };
            self.kept.extend(kept.map(|kept| (pin.clone(), kept)));
            if let Some(is_there) = found {
                self.looker.metrics.looked(if is_there { Success::Ok } else { Success::Failed });
                pin.looked(if is_there { Opinion::Healthy } else { Opinion::Unhealthy });
            }
        }
    }

    async fn end(&mut self) {
        let mut ending = JoinSet::new();
        for (pin, kept) in std::mem::take(&mut self.kept) {
            let looker = self.looker.clone();
            ending.spawn(async move { looker.end(&pin, kept).await });
        }
        while ending.join_next().await.is_some() {}
    }
}
