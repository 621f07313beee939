//! The connections of users to servers: in memory, and sealed in files where there is a folder for them.

use std::{
    collections::HashMap,
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    seal::{KeyRing, Purpose},
    telemetry::metrics::METRICS,
    upstream::credential::{fault::CredentialFault, keeper::Keeper},
};

use super::record::{Listed, Record};

/// Connections at the most: some kilobytes each.
const MAX_CONNECTIONS: usize = 100_000;
/// The largest file that is one.
const MAX_FILE_BYTES: u64 = 64 << 10;
/// What a connection's file ends with.
const SUFFIX: &str = "sealed";

/// The folder for connections cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`stateDir` cannot be used")]
pub struct VaultFault(#[source] io::Error);

/// A connection that is kept.
pub(super) struct Held {
    pub(super) record: ArcSwap<Record>,
    pub(super) keeper: Keeper,
}

/// Whose connection to which server.
type Key = (String, String);

/// All connections.
pub struct Vault {
    held: Mutex<HashMap<Key, Arc<Held>>>,
    /// Where they are written, and under which keys.
    written: Option<(PathBuf, Arc<KeyRing>)>,
}

impl Default for Vault {
    /// One that forgets with the process and seals nothing.
    fn default() -> Self {
        Self { held: Mutex::default(), written: None }
    }
}

impl Vault {
    /// The connections in `folder`, or an empty vault that forgets with the process. What this ring did not seal is left where it is.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(ring: Arc<KeyRing>, folder: Option<&Path>) -> Result<Self, VaultFault> {
        let written = folder.map(|folder| (folder.join("connections"), ring));
        let vault = Self { held: Mutex::default(), written };
        if let Some((folder, ring)) = &vault.written {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(VaultFault)?;
            let mut held = vault.lock();
            for entry in fs::read_dir(folder).map_err(VaultFault)? {
                let path = entry.map_err(VaultFault)?.path();
                if path.extension().is_some_and(|end| end == SUFFIX) {
                    match read(&path, ring) {
                        Some(record) if held.len() < MAX_CONNECTIONS => drop(held.insert(key(&record), new(record))),
                        _ => tracing::warn!(path = %path.display(), "this is no connection that can be read"),
                    }
                }
            }
            METRICS.user_connections.set(i64::try_from(held.len()).unwrap_or(i64::MAX));
            drop(held);
        }
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
        if let Some(path) = self.path(&taken.record.load())
            && let Err(error) = fs::remove_file(path)
        {
            tracing::error!(%error, "the file of a connection that ended cannot be removed");
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

    fn path(&self, record: &Record) -> Option<PathBuf> {
        // No name from outside becomes the name of a file.
        let name = digest(&SHA256, format!("{}\n{}", record.principal, record.server).as_bytes());
        Some(self.written.as_ref()?.0.join(format!("{}.{SUFFIX}", URL_SAFE_NO_PAD.encode(name))))
    }

    /// Written beside and renamed: nobody ever finds half of it.
    fn write(&self, record: &Record) -> Result<(), CredentialFault> {
        let (Some(path), Some((_, ring))) = (self.path(record), &self.written) else { return Ok(()) };
        let content = record.written().ok_or(CredentialFault::Answer("connection"))?;
        let sealed = ring.seal(Purpose::Connection, content.expose()).map_err(|_| CredentialFault::Random)?;
        let beside = path.with_extension("new");
        let store = || {
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(sealed.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        };
        store().map_err(|error| CredentialFault::Store(error.kind()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path, ring: &KeyRing) -> Option<Record> {
    let is_small = fs::metadata(path).is_ok_and(|found| found.len() <= MAX_FILE_BYTES);
    let text = if is_small { fs::read_to_string(path).ok()? } else { return None };
    Record::read(&ring.open(Purpose::Connection, text.trim_end()).ok()?)
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::redact::Redacted;

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

    fn ring(key: &str) -> Arc<KeyRing> {
        Arc::new(KeyRing::new([key]).unwrap())
    }

    #[test]
    fn what_is_written_is_found_again_and_says_nothing_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(ring("a"), Some(folder.path())).unwrap();
        vault.put(record("../alice")).unwrap();
        vault.put(record("bob")).unwrap();
        let again = Vault::open(ring("a"), Some(folder.path())).unwrap();
        assert_eq!(**again.find("../alice", "up").unwrap().record.load(), record("../alice"));
        let files: Vec<_> =
            fs::read_dir(folder.path().join("connections")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 2);
        for path in &files {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
            let text = fs::read_to_string(path).unwrap();
            assert!(!text.contains("canary") && !text.contains("alice"), "{text}");
        }
        assert!(Vault::open(ring("b"), Some(folder.path())).unwrap().list().is_empty(), "another key opens nothing");
        again.take("bob", "up").unwrap();
        assert_eq!(Vault::open(ring("a"), Some(folder.path())).unwrap().list().len(), 1);
        assert!(!format!("{:?}", record("x")).contains("canary"));
    }
}
