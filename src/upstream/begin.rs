//! How a server begins: it is reached to learn its era, its children are started, and spares of them ahead.

use std::sync::{Arc, MutexGuard, PoisonError, atomic::Ordering};

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    clock,
    mcp::{Caller, Profile, UpstreamFault},
    telemetry::{label::UpstreamState, metrics::InUse},
};

use super::{
    credential::Courier,
    opening::{Opening, Terms, Verdict, gateway_caller, open},
    peer::Peer,
    pool::Upstream,
    record::Consequence,
    settings::Isolation,
    spares::{Spare, Spares},
};

impl Upstream {
    /// Reaches it unless somebody did. What was started for that is a spare.
    pub(super) async fn probe(self: &Arc<Self>, caller: &Caller) -> Result<(), UpstreamFault> {
        let asked = clock::now();
        let _turn = self.probing.lock().await;
        if self.is_reached() {
            return Ok(());
        }
        // Whoever waited for an attempt that failed has waited long enough: a crowd does not try one after the other. Where each has a
        // credential of their own, what one is told is not for the next one.
        if let Some(fault) = self.reach.failed_since(asked).filter(|_| !self.is_personal()) {
            return Err(fault);
        }
        self.may_start()?;
        let attempt = self.reach.begin();
        let place = self.place_to_probe().await;
        let courier = self.courier();
        if let (true, Some(courier)) = (self.is_personal(), &courier) {
            courier.act_for(&caller.principal);
        }
        let site = self.site(courier.as_ref());
        let opening = self.begin(courier.as_ref(), Box::pin(self.in_turn(open(&site, place)))).await;
        let opening = attempt.ended(opening)?;
        let verdict = opening.verdict;
        // What it said to one principal is not for the next one.
        if !self.is_personal() {
            let spare = Spare::new(opening, InUse::of(self.metrics().spares()));
            self.spares().put(spare);
        }
        // Whoever knows that it was reached finds the spare, and starts none of their own.
        self.learn(verdict);
        self.stock_up();
        Ok(())
    }

    /// What it speaks may be something else after a restart. Whoever asks first makes the spare that the next one takes.
    pub(super) async fn find_era_again(self: &Arc<Self>) -> Result<(), UpstreamFault> {
        if self.is_stdio() && !self.is_reached() {
            return Box::pin(self.probe(&gateway_caller(&Profile::default()))).await;
        }
        Ok(())
    }

    fn learn(&self, verdict: Verdict) {
        let mut known = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != Some(verdict) {
            tracing::info!(server = &**self.name(), era = verdict.era().name(), "upstream speaks");
            *known = Some(verdict);
        }
    }

    /// Something was started or connected, or not.
    fn started<T>(&self, result: Result<T, UpstreamFault>) -> Result<T, UpstreamFault> {
        match &result {
            Ok(_) => {
                self.record.works();
                self.enter(UpstreamState::Ready);
            }
            Err(fault) if self.is_stdio() => self.suffer(self.record.failed(*fault), *fault, Extent::Server),
            Err(_) => self.enter(UpstreamState::BackingOff),
        }
        result
    }

    /// Something of it failed.
    pub(super) fn suffer(&self, consequence: Consequence, fault: UpstreamFault, extent: Extent) {
        let server = &**self.name();
        if consequence == Consequence::Parked {
            self.count_parked();
        }
        match (consequence, extent) {
            (Consequence::Waits(pause), _) => {
                tracing::info!(server, %fault, ?pause, "server failed; it is started again after the pause, when it is needed");
                self.enter(UpstreamState::BackingOff);
            }
            (Consequence::Parked, Extent::Server) => {
                tracing::error!(server, %fault, "server failed too often and is left alone until `myelin restart`");
                self.enter(UpstreamState::Parked);
            }
            (Consequence::Parked, Extent::OneKey) => {
                tracing::error!(server, %fault, "the children of one principal or session failed too often and are not started any more until `myelin restart`");
            }
        }
    }

    /// Whether it may be started now.
    pub(super) fn may_start(&self) -> Result<(), UpstreamFault> {
        self.record.may_start()
    }

    /// A peer on these terms: of a spare if there is one, else a new one in that place.
    pub(super) async fn connect(
        self: &Arc<Self>,
        terms: Terms,
        spare: Option<Opening>,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Peer, UpstreamFault> {
        let courier = terms.courier.clone();
        match spare {
            // It runs already.
            Some(opening) => self.begin(courier.as_ref(), Box::pin(self.greet(terms, opening))).await,
            None => self.begin(courier.as_ref(), Box::pin(self.in_turn(self.open_and_greet(terms, place)))).await,
        }
    }

    /// Does what reaches it, if it is not left alone just now. What does is boxed: it is long, rare, and on the way of every call.
    async fn begin<T>(
        self: &Arc<Self>,
        courier: Option<&Arc<Courier>>,
        reach: impl Future<Output = Result<T, UpstreamFault>>,
    ) -> Result<T, UpstreamFault> {
        let mut pass = courier.map(|courier| courier.admit(None)).transpose()?;
        if let Some(remote) = &self.remote {
            remote.tend(&self.credential, &self.verdict);
        }
        self.enter(UpstreamState::Starting);
        let reached = self.started(reach.await);
        if let Some(pass) = &mut pass {
            pass.judge_by(&reached);
        }
        reached
    }

    async fn open_and_greet(&self, terms: Terms, place: Option<OwnedSemaphorePermit>) -> Result<Peer, UpstreamFault> {
        let opening = open(&self.site(terms.courier.as_ref()), place).await?;
        self.greet(terms, opening).await
    }

    async fn greet(&self, terms: Terms, opening: Opening) -> Result<Peer, UpstreamFault> {
        let courier = terms.courier.clone();
        let (verdict, peer) = opening.greet(&self.site(courier.as_ref()), terms).await?;
        self.learn(verdict);
        Ok(peer)
    }

    /// A start, when it is its turn. Connections start no program and need none.
    async fn in_turn<T>(&self, start: impl Future<Output = T>) -> T {
        if self.is_stdio() { self.starts.run(start).await } else { start.await }
    }

    pub(super) fn spares(&self) -> MutexGuard<'_, Spares> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A spare for clients that can be asked this; another one is started in its place.
    pub(super) fn take_spare(self: &Arc<Self>, profile: &Profile) -> Option<Spare> {
        let spare = self.spares().take(profile);
        self.stock_up();
        spare
    }

    /// Starts what is missing of the spares, in the background.
    pub(super) fn stock_up(self: &Arc<Self>) {
        let warm = self.settings().pool.warm;
        if warm == 0 || !self.is_stdio() || self.is_closed.load(Ordering::Acquire) || self.may_start().is_err() {
            return;
        }
        let mut spares = self.spares();
        let missing = spares.missing(warm);
        spares.under_way += missing;
        drop(spares);
        for _ in 0..missing {
            let upstream = self.clone();
            self.spawn(async move {
                let spare = upstream.make_spare().await;
                let mut spares = upstream.spares();
                spares.under_way = spares.under_way.saturating_sub(1);
                if let Some(spare) = spare.filter(|_| !upstream.is_closed.load(Ordering::Acquire)) {
                    spares.put(spare);
                }
            });
        }
    }

    /// None where all places are taken: a spare never takes one from a call.
    async fn make_spare(self: &Arc<Self>) -> Option<Spare> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        let expected = match self.settings().pool.isolation {
            // Where all share, nobody can be asked anything.
            Isolation::Shared => Some(Profile::default()),
            Isolation::Principal | Isolation::Session => self.spares().expected(),
        };
        let start = Box::pin(async {
            let site = self.site(None);
            let mut opening = open(&site, Some(place)).await?;
            if let Some(profile) = expected {
                opening.shake_hands(&site, profile).await?;
            }
            Ok(opening)
        });
        let opening = self.started(self.in_turn(start).await).ok()?;
        self.learn(opening.verdict);
        Some(Spare::new(opening, InUse::of(self.metrics().spares())))
    }

    /// Starts it ahead of its first call, as far as that may be for everybody.
    ///
    /// # Errors
    /// [`crate::mcp::Fault::Broken`] when it cannot be reached.
    pub async fn wake(self: &Arc<Self>, caller: &Caller) -> Result<(), crate::mcp::Fault> {
        self.reach(caller).await?;
        if let (Isolation::Shared, Some(group)) = (self.settings().pool.isolation, self.group_now(caller)) {
            group.keep_least();
        }
        Ok(())
    }
}

/// What of a server failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The server: nothing of it works.
    Server,
    /// One key among others.
    OneKey,
}
