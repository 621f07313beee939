//! Servers that are reached before anybody calls them.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    mcp::{Caller, Principal},
    upstream::{Upstream, settings::Start},
};

/// Servers that are reached over HTTP at the same time when the gateway starts; programs have a bound of their own.
const REACHED_AT_ONCE: usize = 16;
/// Reaches every eager server once: its era is known and its process warm when the first call comes.
pub(super) async fn reach_all(upstreams: Vec<Arc<Upstream>>) {
    let places = Arc::new(Semaphore::new(REACHED_AT_ONCE));
    let mut reaching = JoinSet::new();
    // Where each caller has a credential of its own, there is none to reach it with yet.
    let is_due = |upstream: &Arc<Upstream>| upstream.settings().start == Start::Eager && !upstream.is_personal();
    for upstream in upstreams.into_iter().filter(is_due) {
        let places = places.clone();
        reaching.spawn(async move {
            let _place = if upstream.is_stdio() { None } else { places.acquire_owned().await.ok() };
            if let Err(fault) = upstream.wake(&Caller::of(Principal::anonymous())).await {
                tracing::warn!(
                    server = &**upstream.name(),
                    ?fault,
                    "server cannot be reached; it is tried again when it is called"
                );
            }
        });
    }
    while reaching.join_next().await.is_some() {}
}
