//! Reaching a server: in its turn, unless it is left alone just now.

use std::sync::{Arc, PoisonError};

use crate::{mcp::UpstreamFault, telemetry::label::UpstreamState};

use super::{
    credential::Courier,
    opening::{Terms, Verdict, open},
    peer::Peer,
    pool::{Spare, Upstream},
};

impl Upstream {
    pub(super) fn learn(&self, verdict: Verdict) {
        let mut known = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != Some(verdict) {
            tracing::info!(server = &*self.name, era = verdict.era().name(), "upstream speaks");
            *known = Some(verdict);
        }
    }

    /// A peer on these terms.
    pub(super) async fn connect(self: &Arc<Self>, terms: Terms) -> Result<Peer, UpstreamFault> {
        let courier = terms.courier.clone();
        self.begin(courier.as_ref(), Box::pin(self.greet(terms))).await
    }

    /// Does what reaches it, if it is not left alone just now. What does is boxed: it is long, rare, and on the way of every call.
    pub(super) async fn begin<T>(
        self: &Arc<Self>,
        courier: Option<&Arc<Courier>>,
        reach: impl Future<Output = Result<T, UpstreamFault>>,
    ) -> Result<T, UpstreamFault> {
        let mut pass = courier.map(|courier| courier.admit(None)).transpose()?;
        if let Some(remote) = &self.remote {
            remote.tend(&self.credential, &self.verdict);
        }
        self.doing.enter(UpstreamState::Starting);
        let reached = self.started(self.in_turn(reach).await);
        if let Some(pass) = &mut pass {
            pass.judge_by(&reached);
        }
        reached
    }

    /// A start, when it is its turn. Connections start no program and need none.
    async fn in_turn<T>(&self, start: impl Future<Output = T>) -> T {
        if self.is_stdio() { self.starts.run(start).await } else { start.await }
    }

    async fn greet(&self, mut terms: Terms) -> Result<Peer, UpstreamFault> {
        let spare = self.spare.lock().await.take();
        let opening = match spare {
            Some(Spare(opening, place)) => {
                terms.place = place.or(terms.place);
                opening
            }
            None => open(&self.site(terms.courier.as_ref())).await?,
        };
        let courier = terms.courier.clone();
        let (verdict, peer) = opening.greet(&self.site(courier.as_ref()), terms).await?;
        self.learn(verdict);
        Ok(peer)
    }
}
