//! What gateways share: the store that limits are counted in, and users' connections.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    commons::Commons,
    config::settings::Settings,
    limit::{
        redis::{RedisFault, RedisStore},
        store::Store,
    },
    upstream::credential::{
        Wallet,
        oauth::{Turn, Turned},
    },
};

use super::gateway::Gateway;

/// How often it is asked what others did with users' connections: what a revoked one is still used for on another replica.
const FOLLOW: Duration = Duration::from_secs(1);

/// The store, if there is one: reached, or known to be away.
pub(super) async fn store(settings: &Settings) -> Result<Option<Arc<RedisStore>>, RedisFault> {
    let Some(redis) = &settings.redis else { return Ok(None) };
    let store = Arc::new(RedisStore::new(redis.clone())?);
    store.reach().await;
    Ok(Some(store))
}

/// The store as limits see it.
pub(super) fn counts(store: Option<&Arc<RedisStore>>) -> Option<Arc<dyn Store>> {
    store.cloned().map(|store| -> Arc<dyn Store> { store })
}

/// Keeps in touch with it, for as long as it is polled.
pub(super) async fn keep(store: Option<Arc<RedisStore>>) {
    if let Some(store) = store {
        store.keep().await;
    }
}

/// Tells the other gateways that this one is gone.
pub(super) async fn leave(store: Option<Arc<RedisStore>>) {
    if let Some(store) = store {
        store.leave().await;
    }
}

/// Where users' connections are shared, if they are. Under keys that are made at the start nobody else could read them.
pub(super) fn commons(settings: &Settings) -> Result<Option<Arc<Commons>>, RedisFault> {
    let redis = settings.redis.as_ref().filter(|_| !settings.sealing_keys.is_empty());
    Ok(redis.map(Commons::new).transpose()?.map(Arc::new))
}

/// Reads them before the first call is taken, where they can be read.
pub(super) async fn with_connections(wallet: Arc<Wallet>) -> Arc<Wallet> {
    wallet.vault().follow().await;
    wallet
}

/// Hears what other replicas do with them, for as long as it is polled.
pub(super) async fn follow(wallet: Arc<Wallet>, gateway: Arc<Gateway>) {
    if !wallet.vault().is_shared() {
        return;
    }
    let mut rounds = interval(FOLLOW);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        for turn in wallet.vault().follow().await {
            take_in(&gateway, &turn).await;
        }
    }
}

/// Whoever waits for a connection goes on, and what was opened with one that ended ends.
async fn take_in(gateway: &Gateway, turn: &Turn) {
    let upstreams = gateway.upstreams();
    let Some(upstream) = upstreams.iter().find(|upstream| **upstream.name() == *turn.server) else { return };
    let Some(oauth) = upstream.oauth() else { return };
    oauth.turned();
    if turn.became == Turned::Ended {
        upstream.forget(&turn.principal).await;
    }
}
