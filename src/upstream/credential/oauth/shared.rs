//! The connections that replicas share: sealed as in files, each under a name that says nothing.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::{sync::Mutex as Turn, time::sleep};

use crate::{
    clock,
    commons::{Away, Changes, Commons, Lock, Written},
    redact::Redacted,
    seal::{KeyRing, Purpose, jittered},
    upstream::credential::fault::CredentialFault,
};

use super::record::Record;

/// How long one replica may take to get another token. Longer than the authorization server is waited for.
const LOCK_LIFE: Duration = Duration::from_secs(30);
/// How long a token is asked for while a lock is held.
pub(super) const WHILE_LOCKED: Duration = Duration::from_secs(20);
/// Between two looks whether a lock is free: what another replica's token takes.
const LOOK: Duration = Duration::from_millis(100);
/// Between two times that what another key sealed is sealed anew. While a new key is rolled out replicas differ about which comes first: they
/// must not write each other's work over again and again.
const RESEAL_EVERY: Duration = Duration::from_secs(600);
/// What is written when Redis is there again, at the most.
const MAX_PENDING: usize = 10_000;

/// What replicas share.
pub(super) struct Shared {
    pub(super) commons: Arc<Commons>,
    ring: Arc<KeyRing>,
    seen: Mutex<Seen>,
    /// One writes at a time: what waited must not be written over what came later.
    writing: Turn<()>,
}

/// What was seen of the others, and what they have not seen.
#[derive(Default)]
struct Seen {
    epoch: Option<String>,
    since: u64,
    pending: HashMap<String, Pending>,
    /// What another key than the first sealed: it is to be opened when that is gone.
    old: HashSet<String>,
    /// When it was sealed anew.
    resealed: Option<Instant>,
}

/// What is to be written.
#[derive(Clone)]
enum Pending {
    Put(String),
    Renew(String),
    Remove,
}

/// What came of sealing anew.
enum Resealed {
    /// The newest key seals it, or it is gone.
    Yes,
    /// Somebody gets another token for it.
    NotYet,
}

/// What is to be done to be up to date.
pub(super) enum Task {
    /// Take these in.
    Apply(Changes),
    /// Read all: the first time.
    Begin(Changes),
    /// Read all: what was there is lost, and known here.
    Restore(Changes),
}

impl Shared {
    pub(super) fn new(commons: Arc<Commons>, ring: Arc<KeyRing>) -> Self {
        Self { commons, ring, seen: Mutex::default(), writing: Turn::default() }
    }

    /// The newest of a connection, whoever wrote it.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Record>, CredentialFault> {
        self.flush().await;
        let sealed = self.commons.get(&hidden(name)).await?;
        Ok(sealed.and_then(|sealed| self.open(&hidden(name), &sealed)))
    }

    /// A connection that was made here. It is written later where Redis is away: the user has agreed.
    pub(super) async fn put(&self, record: &Record) -> Result<(), CredentialFault> {
        let (name, sealed) = (hidden(&record.name()), self.seal(record)?);
        let _turn = self.writing.lock().await;
        match self.commons.put(&name, &sealed).await {
            Ok(Written::Full) => Err(CredentialFault::Full),
            Ok(_) => {
                self.outdate(&name);
                Ok(())
            }
            Err(Away) => self.later(name, Pending::Put(sealed)),
        }
    }

    /// Another token of a connection; [`CredentialFault::Unconnected`] where it was ended meanwhile.
    pub(super) async fn renew(&self, record: &Record) -> Result<(), CredentialFault> {
        let (name, sealed) = (hidden(&record.name()), self.seal(record)?);
        let _turn = self.writing.lock().await;
        match self.commons.renew(&name, &sealed).await {
            Ok(written) => {
                self.outdate(&name);
                if written == Written::Gone { Err(CredentialFault::Unconnected) } else { Ok(()) }
            }
            Err(Away) => {
                tracing::warn!("another token of a user was got, and redis is away: it is written when that is back");
                self.later(name, Pending::Renew(sealed))
            }
        }
    }

    /// Ends a connection on all replicas: on the others as soon as Redis is there.
    pub(super) async fn remove(&self, name: &str) {
        let name = hidden(name);
        let _turn = self.writing.lock().await;
        if self.commons.remove(&name).await.is_ok() {
            return self.outdate(&name);
        }
        tracing::warn!("a connection was ended, and redis is away: other replicas hear of it when that is back");
        let _ = self.later(name, Pending::Remove);
    }

    /// What waits for that name is older than what was written now.
    fn outdate(&self, name: &str) {
        self.seen().pending.remove(name);
    }

    fn later(&self, name: String, what: Pending) -> Result<(), CredentialFault> {
        let mut seen = self.seen();
        if seen.pending.len() >= MAX_PENDING && !seen.pending.contains_key(&name) {
            return Err(CredentialFault::Full);
        }
        seen.pending.insert(name, what);
        Ok(())
    }

    /// Writes what could not be written.
    async fn flush(&self) {
        if !self.commons.is_there() {
            return;
        }
        let _turn = self.writing.lock().await;
        let pending: Vec<(String, Pending)> =
            self.seen().pending.iter().map(|(name, what)| (name.clone(), what.clone())).collect();
        for (name, what) in pending {
            let done = match &what {
                Pending::Put(sealed) => self.commons.put(&name, sealed).await.is_ok(),
                Pending::Renew(sealed) => self.commons.renew(&name, sealed).await.is_ok(),
                Pending::Remove => self.commons.remove(&name).await.is_ok(),
            };
            if !done {
                return;
            }
            self.outdate(&name);
        }
    }

    /// Waits until nobody else gets another token for a connection.
    ///
    /// # Errors
    /// [`CredentialFault::Away`], also when it takes longer than anybody may.
    pub(super) async fn lock(&self, name: &str) -> Result<Lock, CredentialFault> {
        let deadline = clock::now() + LOCK_LIFE + WHILE_LOCKED;
        while clock::now() < deadline {
            if let Some(lock) = self.commons.lock(&hidden(name), LOCK_LIFE).await? {
                return Ok(lock);
            }
            sleep(jittered(LOOK)).await;
        }
        Err(CredentialFault::Away)
    }

    /// What others changed. Nothing while Redis is away.
    pub(super) async fn news(&self) -> Option<Task> {
        let (since, epoch) = {
            let seen = self.seen();
            (seen.since, seen.epoch.clone())
        };
        let changes = self.commons.changes(since).await.ok()?;
        self.flush().await;
        Some(match epoch {
            None => Task::Begin(changes),
            Some(epoch) if epoch != changes.epoch => Task::Restore(changes),
            Some(_) => Task::Apply(changes),
        })
    }

    /// Notes how far these were taken in.
    pub(super) fn saw(&self, epoch: &str, number: u64) {
        let mut seen = self.seen();
        seen.epoch = Some(epoch.to_owned());
        seen.since = number;
    }

    /// All there are, with their hidden names.
    pub(super) async fn all(&self) -> Result<Vec<(String, Option<Record>)>, Away> {
        let (mut found, mut cursor) = (Vec::new(), 0);
        loop {
            let (next, page) = self.commons.page(cursor).await?;
            found.extend(page.into_iter().map(|(name, sealed)| {
                let record = self.open(&name, &sealed);
                (name, record)
            }));
            if next == 0 {
                return Ok(found);
            }
            cursor = next;
        }
    }

    /// Writes a connection that is not there.
    pub(super) async fn restore(&self, record: &Record) -> Result<(), CredentialFault> {
        let sealed = self.seal(record)?;
        self.commons.restore(&hidden(&record.name()), &sealed).await?;
        Ok(())
    }

    /// Seals with the first key what another one was seen to have sealed, unless another replica has done so: at once when it is called
    /// first, and then every now and then.
    pub(super) async fn reseal(&self) {
        let old = {
            let (mut seen, now) = (self.seen(), clock::now());
            if seen.resealed.is_some_and(|last| now.saturating_duration_since(last) < RESEAL_EVERY) {
                return;
            }
            seen.resealed = Some(now);
            std::mem::take(&mut seen.old)
        };
        for name in old {
            let resealed = self.reseal_one(&name).await;
            let mut seen = self.seen();
            match resealed {
                Ok(Resealed::Yes) => drop(seen.old.remove(&name)),
                Ok(Resealed::NotYet) | Err(_) => drop(seen.old.insert(name)),
            }
        }
    }

    async fn reseal_one(&self, name: &str) -> Result<Resealed, CredentialFault> {
        // Nobody gets another token meanwhile, which this would be written over.
        let Some(lock) = self.commons.lock(name, LOCK_LIFE).await? else { return Ok(Resealed::NotYet) };
        let sealed = self.commons.get(name).await?.filter(|sealed| !self.ring.seals_as(sealed));
        let record = sealed.and_then(|sealed| self.open(name, &sealed));
        let renewed = match record {
            Some(record) => self.renew(&record).await,
            None => Ok(()),
        };
        self.commons.unlock(lock).await;
        match renewed {
            // It was ended meanwhile: there is nothing to be sealed.
            Ok(()) | Err(CredentialFault::Unconnected) => Ok(Resealed::Yes),
            Err(fault) => Err(fault),
        }
    }

    fn seal(&self, record: &Record) -> Result<String, CredentialFault> {
        let content = record.written().ok_or(CredentialFault::Answer("connection"))?;
        self.ring.seal(Purpose::Connection, content.expose()).map_err(|_| CredentialFault::Random)
    }

    /// What this ring did not seal is none here; nor is one under another's name: whoever writes in Redis must not lend connections.
    pub(super) fn open(&self, name: &str, sealed: &str) -> Option<Record> {
        let content = Redacted::new(self.ring.open(Purpose::Connection, sealed).ok()?);
        let record = Record::read(content.expose()).filter(|record| hidden(&record.name()) == name)?;
        if !self.ring.seals_as(sealed) {
            self.seen().old.insert(name.to_owned());
        }
        Some(record)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Away> for CredentialFault {
    fn from(Away: Away) -> Self {
        Self::Away
    }
}

/// A name that tells whoever reads in Redis nothing.
pub(super) fn hidden(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::settings::RedisSettings;

    fn shared(key: &str) -> Shared {
        let settings = RedisSettings {
            url: Redacted::from("redis://127.0.0.1:1"),
            ca: None,
            prefix: "test".to_owned(),
            timeout: Duration::from_secs(1),
            replicas: None,
        };
        Shared::new(Arc::new(Commons::new(&settings).unwrap()), Arc::new(KeyRing::new([key]).unwrap()))
    }

    #[test]
    fn what_lies_under_another_name_or_under_another_key_is_no_connection() {
        let (ours, others) = (shared("a"), shared("b"));
        let record = Record {
            principal: "alice".to_owned(),
            server: "up".to_owned(),
            issuer: "https://idp.example".to_owned(),
            resource: "https://up.example".to_owned(),
            scopes: Vec::new(),
            client_id: "c".to_owned(),
            client_secret: None,
            token_endpoint: "https://idp.example/token".to_owned(),
            revocation_endpoint: None,
            named_by: "https://idp.example".to_owned(),
            access_token: Redacted::from("canary-access"),
            expires: None,
            refresh_token: None,
            since: 7,
        };
        let sealed = ours.seal(&record).unwrap();
        assert!(!sealed.contains("canary"));
        assert_eq!(ours.open(&hidden(&record.name()), &sealed), Some(record.clone()));
        assert_eq!(ours.open(&hidden(&Record::name_of("bob", "up")), &sealed), None);
        assert_eq!(others.open(&hidden(&record.name()), &sealed), None);
    }

    #[tokio::test]
    async fn what_waits_for_redis_is_bounded() {
        let ours = shared("a");
        for number in 0..MAX_PENDING {
            ours.later(number.to_string(), Pending::Remove).unwrap();
        }
        assert!(matches!(ours.later("more".to_owned(), Pending::Remove), Err(CredentialFault::Full)));
        ours.later("0".to_owned(), Pending::Remove).unwrap();
    }
}
