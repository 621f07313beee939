//! The store: asked with each call, kept in the background.

use std::{
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use ::redis::{FromRedisValue, RedisError, ScriptInvocation};
use smallvec::SmallVec;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{
    lease::{Leases, Place},
    link::{Link, RedisFault},
    script::{self, LEASE},
};
use crate::{
    clock,
    limit::{
        settings::RedisSettings,
        store::{Away, Demand, Lease, Measure, Store, Verdict},
    },
    seal,
    telemetry::metrics::METRICS,
};

/// How often the keeper says that this gateway is there, and how soon it finds out that Redis is back.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// The keeper has at least this much patience, and never less than a call has: nobody waits for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often leases are renewed: two may be missed.
const RENEWAL: Duration = Duration::from_secs(LEASE.as_secs() / 3);
/// Leases in one script: Redis does nothing else meanwhile, for less than a millisecond.
const BATCH: usize = 256;
/// A connection on which so many heartbeats were lost is given up: its other end may be gone without a word.
const LOST_BEATS: u32 = 4;

/// Redis.
pub struct RedisStore {
    link: Link,
    settings: RedisSettings,
    /// What this gateway is called in Redis.
    name: String,
    is_there: AtomicBool,
    gateways: AtomicU32,
    leases: Arc<Leases>,
}

impl RedisStore {
    /// A store. It is away until [`RedisStore::reach`] or [`RedisStore::keep`] has reached it.
    ///
    /// # Errors
    /// [`RedisFault`].
    pub fn new(settings: RedisSettings) -> Result<Self, RedisFault> {
        let link = Link::new(&settings, patience(&settings), HEARTBEAT)?;
        let name = seal::random_id().map_err(|_| RedisFault::Randomness)?;
        Ok(Self {
            link,
            name,
            is_there: AtomicBool::new(false),
            gateways: AtomicU32::new(settings.replicas.map_or(1, NonZeroU32::get)),
            leases: Arc::default(),
            settings,
        })
    }

    /// Reaches Redis once: to be waited for before the first call is taken, so that it counts with the others.
    pub async fn reach(&self) {
        if let Err(fault) = self.beat().await {
            tracing::warn!(%fault, share = %self.replicas(), "redis cannot be reached; limits go by this gateway's share");
        }
    }

    /// Keeps in touch, for as long as it is polled.
    ///
    /// # Cancel safety
    /// Dropped, places that are held run out.
    pub async fn keep(self: Arc<Self>) {
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut lost, mut renewed) = (0, clock::now());
        loop {
            tokio::select! {
                _ = beats.tick() => {
                    let is_back = !self.is_there();
                    lost = if self.beat().await.is_ok() { 0 } else { lost + 1 };
                    if lost >= LOST_BEATS {
                        self.link.give_up();
                        lost = 0;
                    }
                    if self.is_there() && (is_back || clock::now().saturating_duration_since(renewed) >= RENEWAL) {
                        renewed = self.renew().await.unwrap_or(renewed);
                    }
                }
                () = self.leases.changed() => self.release().await,
            }
        }
    }

    fn patience(&self) -> Duration {
        patience(&self.settings)
    }

    /// Says that this gateway is gone; others find out by themselves after a while.
    pub async fn leave(&self) {
        if self.is_there() {
            // Nobody is left whom a failure would concern.
            let _ = self.run::<u32>(script::leave(&self.settings.prefix, &self.name), self.settings.timeout).await;
        }
    }

    async fn beat(&self) -> Result<(), Fault> {
        let beat = self.run::<u32>(script::beat(&self.settings.prefix, &self.name), self.patience()).await;
        let gateways = beat.inspect_err(|fault| self.is_away(fault))?;
        METRICS.limit_gateways.set(gateways.into());
        if self.settings.replicas.is_none() {
            self.gateways.store(gateways.max(1), Ordering::Release);
        }
        if !self.is_there.swap(true, Ordering::AcqRel) {
            METRICS.limit_store.set(1);
            tracing::info!(gateways, "redis is there; limits are counted together");
        }
        Ok(())
    }

    fn is_away(&self, fault: &Fault) {
        if self.is_there.swap(false, Ordering::AcqRel) {
            METRICS.limit_store.set(0);
            tracing::warn!(%fault, share = %self.replicas(), "redis is away; limits go by this gateway's share");
        }
    }

    /// Answers with when it was done.
    async fn renew(&self) -> Option<Instant> {
        let started = clock::now();
        for places in self.leases.held().chunks(BATCH) {
            self.run::<u32>(script::renew(places), self.patience()).await.ok()?;
        }
        Some(started)
    }

    async fn release(&self) {
        let returned = self.leases.returned();
        if !self.is_there() {
            return;
        }
        for places in returned.chunks(BATCH) {
            if let Err(fault) = self.run::<u32>(script::release(places), self.patience()).await {
                return self.is_away(&fault);
            }
        }
    }

    async fn run<T: FromRedisValue>(&self, script: ScriptInvocation<'static>, patience: Duration) -> Result<T, Fault> {
        let mut connection = self.link.connection().map_err(Fault::Redis)?;
        let ran = timeout(patience, script.invoke_async(&mut connection)).await;
        ran.map_err(|_| Fault::TooSlow)?.map_err(Fault::Redis)
    }

    async fn take(&self, demands: &[Demand]) -> Result<Verdict, Away> {
        let number = self.leases.next();
        let member = format!("{}.{number}", self.name);
        let is_place = |demand: &&Demand| matches!(demand.measure, Measure::Places(_));
        let places: SmallVec<[Place; 1]> = demands
            .iter()
            .filter(is_place)
            .map(|demand| (script::key(&self.settings.prefix, demand), member.clone()))
            .collect();
        let held = (!places.is_empty()).then(|| self.leases.hold(number, places));
        let call = script::take(&self.settings.prefix, &member, demands);
        match self.run::<(usize, u64)>(call, self.settings.timeout).await {
            Ok((0, _)) => Ok(Verdict::Taken(held.map(|held| Lease::new(held.got())))),
            Ok((place, after)) => {
                if let Some(held) = held {
                    held.forget();
                }
                Ok(Verdict::Refused(place - 1, Duration::from_micros(after)))
            }
            Err(fault) => {
                self.is_away(&fault);
                Err(Away)
            }
        }
    }
}

fn patience(settings: &RedisSettings) -> Duration {
    settings.timeout.max(PATIENCE)
}

impl Store for RedisStore {
    fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Acquire)
    }

    fn replicas(&self) -> NonZeroU32 {
        NonZeroU32::new(self.gateways.load(Ordering::Acquire)).unwrap_or(NonZeroU32::MIN)
    }

    fn take<'a>(&'a self, demands: &'a [Demand]) -> Pin<Box<dyn Future<Output = Result<Verdict, Away>> + Send + 'a>> {
        Box::pin(self.take(demands))
    }
}

/// Why Redis did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("it did not answer in time")]
    TooSlow,
    #[error(transparent)]
    Redis(RedisError),
}
