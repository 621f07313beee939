//! What gateways share: the store that limits are counted in.

use std::sync::Arc;

use crate::{
    config::settings::Settings,
    limit::{
        redis::{RedisFault, RedisStore},
        store::Store,
    },
};

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
