//! The connections of users to servers: in memory, and sealed in files where there is a folder for them, or where replicas share them.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;

use crate::{
    commons::Changes,
    telemetry::metrics::METRICS,
    upstream::credential::{fault::CredentialFault, keeper::Keeper},
};

use super::{
    folder::Folder,
    record::{Listed, Record},
    shared::{Shared, Task, hidden},
};

/// Connections at the most: some kilobytes each.
const MAX_CONNECTIONS: usize = 100_000;
/// Rounds of changes that are taken in at once; more come with the next look.
const MAX_ROUNDS: usize = 100;

/// A connection that is kept.
pub(super) struct Held {
    pub(super) record: ArcSwap<Record>,
    pub(super) keeper: Keeper,
}

/// Whose connection to which server.
type Key = (String, String);

/// All connections.
#[derive(Default)]
pub struct Vault {
    held: Mutex<HashMap<Key, Arc<Held>>>,
    /// Where they are written; without it they are forgotten with the process.
    folder: Option<Folder>,
    /// Where they are shared, and then not in the folder.
    shared: Option<Shared>,
}

/// What another replica did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whose connection.
    pub principal: String,
    /// To which server.
    pub server: String,
    /// What became of it.
    pub became: Became,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// It is there, or another one.
    Connected,
    /// It was ended.
    Ended,
}

impl Vault {
    /// The connections in a folder.
    pub(super) fn open(folder: Folder) -> io::Result<Self> {
        let mut records = folder.contents(Record::read)?;
        records.truncate(MAX_CONNECTIONS);
        let held = records.into_iter().map(|record| (key(&record), new(record))).collect();
        let vault = Self { held: Mutex::new(held), folder: Some(folder), shared: None };
        vault.count();
        Ok(vault)
    }

    pub(super) fn sharing(self, shared: Shared) -> Self {
        Self { shared: Some(shared), ..self }
    }

    /// What replicas share, where they do.
    pub(super) const fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref()
    }

    pub(super) fn find(&self, principal: &str, server: &str) -> Option<Arc<Held>> {
        self.lock().get(&(principal.to_owned(), server.to_owned())).cloned()
    }

    /// The same, also where another replica made it a moment ago.
    ///
    /// # Errors
    /// [`CredentialFault::Away`]: nobody can say.
    pub(super) async fn look_up(&self, principal: &str, server: &str) -> Result<Option<Arc<Held>>, CredentialFault> {
        let here = self.find(principal, server);
        let (None, Some(shared)) = (&here, &self.shared) else { return Ok(here) };
        let found = shared.get(&Record::name_of(principal, server)).await?;
        Ok(found.map(|record| self.adopt(record)))
    }

    /// A connection in the place of the one before.
    pub(super) async fn put(&self, record: Record) -> Result<(), CredentialFault> {
        let is_new = self.find(&record.principal, &record.server).is_none();
        if is_new && self.lock().len() >= MAX_CONNECTIONS {
            return Err(CredentialFault::Full);
        }
        match &self.shared {
            Some(shared) => shared.put(&record).await?,
            None => self.write(&record)?,
        }
        self.lock().insert(key(&record), new(record));
        self.count();
        Ok(())
    }

    /// The same connection with another token. Where it cannot be written it is used all the same, since the old one is of no use any more.
    ///
    /// # Errors
    /// [`CredentialFault::Unconnected`]: another replica ended it meanwhile.
    pub(super) async fn renew(&self, held: &Held, record: Record) -> Result<(), CredentialFault> {
        let written = match &self.shared {
            Some(shared) => shared.renew(&record).await,
            None => self.write(&record),
        };
        match written {
            Err(CredentialFault::Unconnected) => {
                self.forget(&record.principal, &record.server);
                return Err(CredentialFault::Unconnected);
            }
            Err(fault) => tracing::error!(%fault, "a renewed connection is lost with the next restart"),
            Ok(()) => (),
        }
        held.record.store(Arc::new(record));
        Ok(())
    }

    /// Takes a connection out, everywhere; what it was.
    pub(super) async fn take(&self, principal: &str, server: &str) -> Option<Arc<Held>> {
        let taken = self.look_up(principal, server).await.ok().flatten()?;
        self.forget(principal, server);
        let name = taken.record.load().name();
        match (&self.shared, &self.folder) {
            (Some(shared), _) => shared.remove(&name).await,
            (None, Some(folder)) => folder.remove(&name),
            (None, None) => (),
        }
        Some(taken)
    }

    /// Takes a connection out of this process alone.
    pub(super) fn forget(&self, principal: &str, server: &str) {
        self.lock().remove(&(principal.to_owned(), server.to_owned()));
        self.count();
    }

    /// Takes a connection out without a word to anybody; whether there was one.
    pub async fn discard(&self, principal: &str, server: &str) -> bool {
        self.take(principal, server).await.is_some()
    }

    /// Takes in what another replica wrote.
    pub(super) fn adopt(&self, record: Record) -> Arc<Held> {
        let mut all = self.lock();
        if let Some(held) = all.get(&key(&record)).cloned() {
            drop(all);
            if *held.record.load_full() != record {
                held.keeper.put(record.token());
                held.record.store(Arc::new(record));
            }
            return held;
        }
        let held = new(record.clone());
        if all.len() < MAX_CONNECTIONS {
            all.insert(key(&record), held.clone());
        }
        drop(all);
        self.count();
        held
    }

    /// Takes in what other replicas did since it was asked last, and what they missed is told to them. To be called again and again where
    /// connections are [shared](Self::is_shared); answers at once where they are not, and while Redis is away.
    ///
    /// # Cancel safety
    /// What was not taken in is with the next call.
    pub async fn follow(&self) -> Vec<Turn> {
        let mut turns = Vec::new();
        let Some(shared) = &self.shared else { return turns };
        for _ in 0..MAX_ROUNDS {
            let is_all = match shared.news().await {
                None => true,
                Some(Task::Apply(changes)) => self.apply(shared, changes, &mut turns),
                Some(Task::Begin(changes) | Task::Restore(changes)) => {
                    if let Err(fault) = self.read_all(shared, &changes, &mut turns).await {
                        tracing::warn!(%fault, "users' connections cannot be read from redis for now");
                        true
                    } else {
                        false
                    }
                }
            };
            if is_all {
                break;
            }
        }
        shared.reseal().await;
        turns
    }

    /// Whether replicas share them.
    pub const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether these were all.
    fn apply(&self, shared: &Shared, changes: Changes, turns: &mut Vec<Turn>) -> bool {
        let Changes { epoch, last, changes } = changes;
        let names: HashMap<String, Key> = if changes.iter().any(|change| change.value.is_none()) {
            self.lock().iter().map(|(key, held)| (hidden(&held.record.load().name()), key.clone())).collect()
        } else {
            HashMap::new()
        };
        let mut number = last;
        let is_all = changes.last().is_none_or(|change| change.number >= last);
        for change in changes {
            number = change.number;
            match change.value {
                Some(sealed) => {
                    if let Some(record) = shared.open(&change.name, &sealed) {
                        turns.extend(self.take_in(record));
                    }
                }
                None => {
                    if let Some((principal, server)) = names.get(&change.name) {
                        self.forget(principal, server);
                        let (principal, server) = (principal.clone(), server.clone());
                        turns.push(Turn { principal, server, became: Became::Ended });
                    }
                }
            }
        }
        shared.saw(&epoch, if is_all { last } else { number });
        is_all
    }

    fn take_in(&self, record: Record) -> Option<Turn> {
        let is_new = self.find(&record.principal, &record.server).is_none();
        let (principal, server) = (record.principal.clone(), record.server.clone());
        self.adopt(record);
        is_new.then_some(Turn { principal, server, became: Became::Connected })
    }

    /// Reads all, and writes what is missing there: what was in the folder, or what Redis lost.
    async fn read_all(&self, shared: &Shared, changes: &Changes, turns: &mut Vec<Turn>) -> Result<(), CredentialFault> {
        let mut there = HashSet::new();
        for (name, record) in shared.all().await? {
            turns.extend(record.and_then(|record| self.take_in(record)));
            there.insert(name);
        }
        let own: Vec<Arc<Record>> = self.lock().values().map(|held| held.record.load_full()).collect();
        for record in own {
            if !there.contains(&hidden(&record.name())) {
                shared.restore(&record).await?;
            }
            // From now on it is there, and what is ended there must not come back from here.
            if let Some(folder) = &self.folder {
                folder.remove(&record.name());
            }
        }
        shared.saw(&changes.epoch, changes.last);
        Ok(())
    }

    /// All of them, for an operator.
    pub fn list(&self) -> Vec<Listed> {
        let mut listed: Vec<Listed> = self.lock().values().map(|held| held.record.load().listed()).collect();
        listed.sort_by(|a, b| (&a.server, &a.principal).cmp(&(&b.server, &b.principal)));
        listed
    }

    fn count(&self) {
        METRICS.user_connections.set(i64::try_from(self.lock().len()).unwrap_or(i64::MAX));
    }

    fn write(&self, record: &Record) -> Result<(), CredentialFault> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let content = record.written().ok_or(CredentialFault::Answer("connection"))?;
        folder.write(&record.name(), &content)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(record: &Record) -> Key {
    (record.principal.clone(), record.server.clone())
}

fn new(record: Record) -> Arc<Held> {
    let keeper = Keeper::with(record.token());
    Arc::new(Held { record: ArcSwap::from_pointee(record), keeper })
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use super::*;
    use crate::{
        redact::Redacted,
        seal::{KeyRing, Purpose},
    };

    fn record(principal: &str) -> Record {
        Record {
            principal: principal.to_owned(),
            server: "up".to_owned(),
            issuer: "https://idp.example".to_owned(),
            resource: "https://up.example".to_owned(),
            scopes: vec!["a".to_owned()],
            client_id: "c".to_owned(),
            client_secret: Some(Redacted::from("canary-secret")),
            token_endpoint: "https://idp.example/token".to_owned(),
            revocation_endpoint: None,
            named_by: "https://idp.example".to_owned(),
            access_token: Redacted::from("canary-access"),
            expires: Some(1 << 40),
            refresh_token: Some(Redacted::from("canary-refresh")),
            since: 7,
        }
    }

    fn opened(key: &str, path: &Path) -> Vault {
        opened_with(&[key], path)
    }

    fn opened_with(keys: &[&str], path: &Path) -> Vault {
        let ring = Arc::new(KeyRing::new(keys.iter().copied()).unwrap());
        Vault::open(Folder::open(path.join("connections"), ring, Purpose::Connection).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn what_is_written_is_found_again_and_says_nothing_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let vault = opened("a", folder.path());
        vault.put(record("../alice")).await.unwrap();
        vault.put(record("bob")).await.unwrap();
        let again = opened("a", folder.path());
        assert_eq!(**again.find("../alice", "up").unwrap().record.load(), record("../alice"));
        let files: Vec<_> =
            fs::read_dir(folder.path().join("connections")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 2);
        for path in &files {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
            let text = fs::read_to_string(path).unwrap();
            assert!(!text.contains("canary") && !text.contains("alice"), "{text}");
        }
        assert!(opened("b", folder.path()).list().is_empty(), "another key opens nothing");
        again.take("bob", "up").await.unwrap();
        assert_eq!(opened("a", folder.path()).list().len(), 1);
        assert!(!format!("{:?}", record("x")).contains("canary"));
    }

    #[tokio::test]
    async fn keys_rotate_without_a_connection_that_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        opened("old", folder.path()).put(record("alice")).await.unwrap();
        for stage in [["old", "new"].as_slice(), &["new", "old"], &["new"]] {
            let vault = opened_with(stage, folder.path());
            assert_eq!(**vault.find("alice", "up").unwrap().record.load(), record("alice"), "{stage:?}");
        }
    }
}
