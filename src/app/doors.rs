//! The listeners of a gateway while it serves: that of clients, and that of the other gateways.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::Instant};

use crate::{
    clock,
    dialogue::Park,
    downstream::{
        drain::{Drainer, drain},
        exchange::Exchange,
        listener::{self, Bound},
        settings::HttpSettings,
    },
};

use super::hop::Listening;

/// Both of them.
pub(super) struct Doors {
    serving: JoinHandle<listener::Served>,
    drainer: Drainer,
    others: Option<Listening>,
}

impl Doors {
    /// Lets clients in, and what other gateways send on.
    pub(super) fn open((bound, others): (Bound, Option<Bound>), http: &HttpSettings, exchange: &Arc<Exchange>) -> Self {
        let (drainer, client_drain) = drain();
        let service = exchange.clone();
        let handle = move |request, peer| service.clone().handle(request, peer);
        let serving = tokio::spawn(listener::serve(bound, Arc::new(http.clone()), handle, client_drain));
        Self { serving, drainer, others: others.map(|bound| Listening::begin(bound, http, exchange)) }
    }

    /// Lets nobody in any more, and waits for the calls in flight for as long as they may take.
    pub(super) async fn close(self, exchange: &Exchange, parked: &Park, grace: Duration) {
        let deadline = Instant::from_std(clock::now()) + grace;
        self.drainer.start(grace);
        if let Ok(served) = self.serving.await {
            report(served);
        }
        if let Some(others) = self.others {
            others.end(exchange, parked, deadline).await;
        }
    }
}

fn report(served: listener::Served) {
    if served.cut_off > 0 {
        tracing::warn!(connections = served.cut_off, "cut off calls that did not finish in time");
    }
}
