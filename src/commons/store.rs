//! The values, and what changes of them.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ::redis::{RedisError, aio::ConnectionManager, cmd};
use tokio::time::timeout;

use super::script::Keys;
use crate::{
    clock,
    limit::{
        redis::{Link, RedisFault},
        settings::RedisSettings,
    },
    seal,
};

/// How long an answer may take at the least: a token is worth more patience than a count.
const PATIENCE: Duration = Duration::from_millis(500);
/// Before it is connected again, at the most.
const MOST_PAUSE: Duration = Duration::from_secs(1);
/// After it came back, nobody takes a lock for so long: who held one meanwhile first writes down what came of it.
const SETTLE: Duration = Duration::from_secs(3);
/// Values of one page, when all are read.
const PAGE: usize = 200;
/// The largest value that is taken: what is larger was not written by a gateway.
const MAX_VALUE_BYTES: usize = 64 << 10;

/// What replicas have in common.
pub struct Commons {
    link: Link,
    prefix: String,
    patience: Duration,
    is_there: AtomicBool,
    was_there: AtomicBool,
    /// Since when it is there again.
    back: Mutex<Option<Instant>>,
    /// What it is called where it makes the data.
    name: String,
}

/// Redis is away, or too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("redis does not answer")]
pub struct Away;

/// What came of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is written.
    Yes,
    /// There are as many values as there may be.
    Full,
    /// It had to be there already, and is not.
    Gone,
}

/// What changed since it was asked last.
#[derive(Debug)]
pub struct Changes {
    /// Whose data this is. Another one is other data.
    pub epoch: String,
    /// The number of the last change.
    pub last: u64,
    /// What changed, the oldest first; not all of it where there is much.
    pub changes: Vec<Change>,
}

/// A name whose value is another one.
#[derive(Debug)]
pub struct Change {
    /// The name.
    pub name: String,
    /// What it is now; nothing when it is gone.
    pub value: Option<String>,
    /// Its number.
    pub number: u64,
}

/// A lock that is held. It is given back with [`Commons::unlock`], and by itself after its life.
#[derive(Debug)]
pub struct Lock {
    name: String,
    owner: String,
}

/// Whose data it is, the number of the last change, and changes.
type Told = (String, u64, Vec<(String, String, u64)>);

/// Why Redis did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("it did not answer in time")]
    TooSlow,
    #[error(transparent)]
    Redis(#[from] RedisError),
}

impl Commons {
    /// They are away until [`Commons::changes`] has reached them.
    ///
    /// # Errors
    /// [`RedisFault`].
    pub fn new(settings: &RedisSettings) -> Result<Self, RedisFault> {
        let patience = settings.timeout.max(PATIENCE);
        Ok(Self {
            link: Link::new(settings, patience, MOST_PAUSE)?,
            prefix: settings.prefix.clone(),
            patience,
            is_there: AtomicBool::new(false),
            was_there: AtomicBool::new(false),
            back: Mutex::default(),
            name: seal::random_id().map_err(|_| RedisFault::Randomness)?,
        })
    }

    /// Whether Redis answered the last time.
    pub fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Acquire)
    }

    /// The value of a name.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn get(&self, name: &str) -> Result<Option<String>, Away> {
        let mut get = cmd("HGET");
        get.arg(Keys(&self.prefix).values()).arg(name);
        let got: Option<String> = self.while_there(|mut to| async move { Ok(get.query_async(&mut to).await?) }).await?;
        Ok(got.filter(|value| value.len() <= MAX_VALUE_BYTES))
    }

    /// Writes a value, whatever there was.
    ///
    /// # Errors
    /// [`Away`]: it may be written or not.
    pub async fn put(&self, name: &str, value: &str) -> Result<Written, Away> {
        self.write(name, value, "put").await
    }

    /// Writes another value in the place of one that is there.
    ///
    /// # Errors
    /// As [`Commons::put`].
    pub async fn renew(&self, name: &str, value: &str) -> Result<Written, Away> {
        self.write(name, value, "renew").await
    }

    /// Writes a value where there is none.
    ///
    /// # Errors
    /// As [`Commons::put`].
    pub async fn restore(&self, name: &str, value: &str) -> Result<Written, Away> {
        self.write(name, value, "restore").await
    }

    async fn write(&self, name: &str, value: &str, how: &str) -> Result<Written, Away> {
        let put = Keys(&self.prefix).put(name, value, how);
        let written: i64 = self.while_there(|mut to| async move { Ok(put.invoke_async(&mut to).await?) }).await?;
        Ok(match written {
            1 => Written::Yes,
            0 => Written::Full,
            _ => Written::Gone,
        })
    }

    /// Takes a value away; whether there was one.
    ///
    /// # Errors
    /// As [`Commons::put`].
    pub async fn remove(&self, name: &str) -> Result<bool, Away> {
        let remove = Keys(&self.prefix).remove(name);
        let removed: i64 = self.while_there(|mut to| async move { Ok(remove.invoke_async(&mut to).await?) }).await?;
        Ok(removed > 0)
    }

    /// All names and values, in pages: the next one follows from the answer, until that is 0.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn page(&self, cursor: u64) -> Result<(u64, Vec<(String, String)>), Away> {
        let mut scan = cmd("HSCAN");
        scan.arg(Keys(&self.prefix).values()).arg(cursor).arg("COUNT").arg(PAGE);
        self.while_there(|mut to| async move { Ok(scan.query_async(&mut to).await?) }).await
    }

    /// What changed after `since`. This alone also asks Redis that is away, so that it is found again.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn changes(&self, since: u64) -> Result<Changes, Away> {
        let changes = Keys(&self.prefix).changes(since, &self.name);
        let answer: Result<Told, Fault> =
            self.ask(|mut to| async move { Ok(changes.invoke_async(&mut to).await?) }).await;
        let (epoch, last, found) = answer.map_err(|fault| self.is_away(&fault))?;
        if !self.is_there.swap(true, Ordering::AcqRel) {
            // At the start there is nothing to be written down: nobody waits.
            let is_first = !self.was_there.swap(true, Ordering::AcqRel);
            *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now()).filter(|_| !is_first);
            tracing::info!("redis is there; users' connections are shared");
        }
        let of = |(name, value, number): (String, String, u64)| Change {
            name,
            value: Some(value).filter(|value| !value.is_empty() && value.len() <= MAX_VALUE_BYTES),
            number,
        };
        Ok(Changes { epoch, last, changes: found.into_iter().map(of).collect() })
    }

    /// Takes the lock of a name, if nobody has it.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn lock(&self, name: &str, life: Duration) -> Result<Option<Lock>, Away> {
        let back = *self.back.lock().unwrap_or_else(PoisonError::into_inner);
        if back.is_some_and(|back| clock::now().saturating_duration_since(back) < SETTLE) {
            return Ok(None);
        }
        let owner = seal::random_id().map_err(|_| Away)?;
        let mut set = cmd("SET");
        set.arg(Keys(&self.prefix).lock(name)).arg(&owner).arg("NX").arg("PX").arg(life.as_millis().to_string());
        let taken: Option<String> =
            self.while_there(|mut to| async move { Ok(set.query_async(&mut to).await?) }).await?;
        Ok(taken.map(|_| Lock { name: name.to_owned(), owner }))
    }

    /// Gives a lock back. Where that fails it runs out.
    pub async fn unlock(&self, lock: Lock) {
        let Lock { name, owner } = lock;
        let unlock = Keys(&self.prefix).unlock(&name, &owner);
        let _: Result<i64, Away> =
            self.while_there(|mut to| async move { Ok(unlock.invoke_async(&mut to).await?) }).await;
    }

    async fn while_there<T, F>(&self, ask: impl FnOnce(ConnectionManager) -> F) -> Result<T, Away>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        if !self.is_there() {
            return Err(Away);
        }
        self.ask(ask).await.map_err(|fault| self.is_away(&fault))
    }

    async fn ask<T, F>(&self, ask: impl FnOnce(ConnectionManager) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let connection = self.link.connection()?;
        timeout(self.patience, ask(connection)).await.map_err(|_| Fault::TooSlow)?
    }

    fn is_away(&self, fault: &Fault) -> Away {
        if self.is_there.swap(false, Ordering::AcqRel) {
            tracing::warn!(%fault, "redis is away; users' connections are those that are known here");
        }
        // One that hangs is not waited for again: the next one is fresh.
        self.link.give_up();
        Away
    }
}

impl std::fmt::Debug for Commons {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Commons")
    }
}
