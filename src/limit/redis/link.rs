//! The connection to Redis: made when it is needed, reconnecting by itself, given up when nothing comes of it.

use std::{fs, io, sync::Arc, time::Duration};

use ::redis::{
    Client, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use arc_swap::ArcSwapOption;

use super::address;
use crate::limit::settings::RedisSettings;

/// The first pause before it is connected again.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum RedisFault {
    /// The address is none.
    #[error("the address of Redis cannot be used")]
    Address(#[source] RedisError),
    /// The authority cannot be read.
    #[error("`redis.ca` cannot be read")]
    Authority(#[source] io::Error),
    /// The machine has no randomness.
    #[error("the operating system refuses what the gateway needs")]
    Randomness,
}

/// A connection to Redis.
pub struct Link {
    client: Client,
    open: ArcSwapOption<ConnectionManager>,
    patience: Duration,
    most_pause: Duration,
}

impl Link {
    /// By these settings: an answer may take `patience`, and it is connected again after `most_pause` at the most. Connects to nothing yet.
    ///
    /// # Errors
    /// [`RedisFault::Address`], [`RedisFault::Authority`].
    pub fn new(settings: &RedisSettings, patience: Duration, most_pause: Duration) -> Result<Self, RedisFault> {
        let ca = settings.ca.as_ref().map(fs::read).transpose().map_err(RedisFault::Authority)?;
        let client = address::open(settings.url.expose(), ca).map_err(RedisFault::Address)?;
        Ok(Self { client, open: ArcSwapOption::empty(), patience, most_pause })
    }

    /// The connection, made when it is needed.
    ///
    /// # Errors
    /// What the library says of its configuration; nothing is sent.
    pub fn connection(&self) -> Result<ConnectionManager, RedisError> {
        if let Some(open) = &*self.open.load() {
            return Ok(ConnectionManager::clone(open));
        }
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(LEAST_PAUSE)
            .set_max_delay(self.most_pause)
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(Some(self.patience));
        let fresh = ConnectionManager::new_lazy_with_config(self.client.clone(), config)?;
        self.open.store(Some(Arc::new(fresh.clone())));
        Ok(fresh)
    }

    /// Gives the connection up: its other end may be gone without a word. The next one is fresh.
    pub fn give_up(&self) {
        self.open.store(None);
    }
}
