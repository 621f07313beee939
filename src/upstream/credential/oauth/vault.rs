//! The connections of users to servers: in memory, and sealed in files where there is a folder for them.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;

use crate::{
    telemetry::metrics::METRICS,
    upstream::credential::{fault::CredentialFault, keeper::Keeper},
};

use super::{
    folder::Folder,
    record::{Listed, Record},
};

/// Connections at the most: some kilobytes each.
const MAX_CONNECTIONS: usize = 100_000;

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
}

impl Vault {
    /// The connections in a folder.
    pub(super) fn open(folder: Folder) -> io::Result<Self> {
        let mut records = folder.contents(Record::read)?;
        records.truncate(MAX_CONNECTIONS);
        let held = records.into_iter().map(|record| (key(&record), new(record))).collect();
        let vault = Self { held: Mutex::new(held), folder: Some(folder) };
        vault.count();
        Ok(vault)
    }

    pub(super) fn find(&self, principal: &str, server: &str) -> Option<Arc<Held>> {
        self.lock().get(&(principal.to_owned(), server.to_owned())).cloned()
    }

    /// A connection in the place of the one before.
    pub(super) fn put(&self, record: Record) -> Result<(), CredentialFault> {
        let is_new = self.find(&record.principal, &record.server).is_none();
        if is_new && self.lock().len() >= MAX_CONNECTIONS {
            return Err(CredentialFault::Full);
        }
        self.write(&record)?;
        self.lock().insert(key(&record), new(record));
        self.count();
        Ok(())
    }

    /// The same connection with another token. Where it cannot be written it is used all the same, since the old one is of no use any more.
    pub(super) fn renew(&self, held: &Held, record: Record) {
        if let Err(fault) = self.write(&record) {
            tracing::error!(%fault, "a renewed connection is lost with the next restart");
        }
        held.record.store(Arc::new(record));
    }

    /// Takes a connection out; what it was.
    pub(super) fn take(&self, principal: &str, server: &str) -> Option<Arc<Held>> {
        let taken = self.lock().remove(&(principal.to_owned(), server.to_owned()))?;
        if let Some(folder) = &self.folder {
            folder.remove(&name(&taken.record.load()));
        }
        self.count();
        Some(taken)
    }

    /// Takes a connection out without a word to anybody; whether there was one.
    pub fn discard(&self, principal: &str, server: &str) -> bool {
        self.take(principal, server).is_some()
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
        folder.write(&name(record), &content)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What its file is called by.
fn name(record: &Record) -> String {
    format!("{}\n{}", record.principal, record.server)
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

    #[test]
    fn what_is_written_is_found_again_and_says_nothing_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let vault = opened("a", folder.path());
        vault.put(record("../alice")).unwrap();
        vault.put(record("bob")).unwrap();
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
        again.take("bob", "up").unwrap();
        assert_eq!(opened("a", folder.path()).list().len(), 1);
        assert!(!format!("{:?}", record("x")).contains("canary"));
    }

    #[test]
    fn keys_rotate_without_a_connection_that_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        opened("old", folder.path()).put(record("alice")).unwrap();
        for stage in [["old", "new"].as_slice(), &["new", "old"], &["new"]] {
            let vault = opened_with(stage, folder.path());
            assert_eq!(**vault.find("alice", "up").unwrap().record.load(), record("alice"), "{stage:?}");
        }
    }
}
