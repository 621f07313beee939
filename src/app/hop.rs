//! The other gateways of the deployment: where they reach this one, and how it stops without losing what they sent on.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    config::settings::Settings,
    dialogue::Park,
    downstream::{
        drain::{Drainer, drain},
        exchange::Exchange,
        listener::{self, BindError, Bound},
        settings::HttpSettings,
    },
    hop::{Proof, ProofFault, Roads},
    seal::KeyRing,
};

/// How often it is looked whether the calls that are parked here have all been taken up, while the gateway stops.
const ROUND: Duration = Duration::from_millis(20);
/// How long answers may take to go out that are there already.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Why other gateways cannot be reached, or cannot reach this one.
#[derive(Debug, thiserror::Error)]
pub enum HopError {
    /// It cannot listen for them.
    #[error("cannot listen for other gateways (`replicas`)")]
    Listen(#[from] BindError),
    /// It cannot prove to be one.
    #[error(transparent)]
    Proof(#[from] ProofFault),
}

/// What a gateway among others has.
pub(super) struct Others {
    pub(super) bound: Bound,
    pub(super) roads: Roads,
}

/// The ring of this gateway, which names its home where it has one, and the others, where there may be some.
///
/// # Errors
/// [`HopError`].
pub(super) fn open(settings: &Settings, ring: KeyRing) -> Result<(Arc<KeyRing>, Option<Others>), HopError> {
    let Some(hops) = &settings.hops else { return Ok((Arc::new(ring), None)) };
    let proof = Proof::new(&ring)?;
    let bound = Bound::among_gateways(hops.listen, proof.server.clone())?;
    let home = hops.home(bound.address());
    tracing::info!(home, "other gateways reach this one here");
    Ok((Arc::new(ring.at(&home)), Some(Others { bound, roads: Roads::new(hops, proof) })))
}

/// The listener for other gateways.
pub(super) struct Listening {
    serving: JoinHandle<listener::Served>,
    drainer: Drainer,
}

impl Listening {
    /// Takes what others send on.
    pub(super) fn begin(bound: Bound, http: &HttpSettings, exchange: &Arc<Exchange>) -> Self {
        let (drainer, client_drain) = drain();
        let service = exchange.clone();
        let take = move |request, peer| service.clone().take_hop(request, peer);
        let serving = tokio::spawn(listener::serve(bound, Arc::new(http.clone()), take, client_drain));
        Self { serving, drainer }
    }

    /// Ends once nothing is asked of this gateway any more, or at the deadline: calls that are parked here are waited for, since their
    /// clients come by way of the others.
    pub(super) async fn end(self, exchange: &Exchange, parked: &Park, deadline: Instant) {
        let _ = timeout_at(deadline, settled(exchange, parked)).await;
        self.drainer.start(LAST_ANSWERS);
        drop(self.serving.await);
    }
}

async fn settled(exchange: &Exchange, parked: &Park) {
    loop {
        exchange.has_no_guests().await;
        if parked.is_empty() {
            return;
        }
        sleep(ROUND).await;
    }
}
