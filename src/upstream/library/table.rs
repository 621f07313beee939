//! The volumes of a library, the least recently used of which goes when there are too many.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, task::spawn_blocking, time::sleep};

use crate::{
    clock,
    seal::KeyRing,
    telemetry::{label::Success, metrics::METRICS},
    upstream::opening::Verdict,
};

use super::{folder::Folder, key::Key, volume::Volume};

/// Volumes at the most: one for each server and principal, with room for a hundred of both.
const MAX_VOLUMES: usize = 10_000;
/// Changes within this time are written together.
const GATHER: Duration = Duration::from_millis(200);
/// What was written and says the same is written again after this time, so that a restart finds how old it is.
const REWRITE: Duration = Duration::from_secs(10 * 60);

/// How much a library keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LibrarySettings {
    /// The size of all volumes, in bytes.
    pub max_bytes: usize,
    /// How long a list that is no longer fresh may be answered with.
    pub max_stale: Duration,
}

/// What servers listed and offered.
pub struct Library {
    table: Mutex<Table>,
    settings: LibrarySettings,
    folder: Option<Folder>,
    /// Held while files are written: who waits for that waits for all of it.
    writing: Mutex<()>,
    /// Something is to be written.
    wake: Notify,
}

#[derive(Default)]
struct Table {
    volumes: HashMap<Key, Shelved>,
    bytes: usize,
    uses: u64,
    /// What is not in the files as it is here: changed, or gone.
    unwritten: HashSet<Key>,
}

struct Shelved {
    volume: Arc<Volume>,
    bytes: usize,
    used: u64,
    /// When its file was written, since 1970.
    written: Duration,
}

impl Default for Library {
    /// One that forgets with the process, as large as it is without a word of the operator.
    fn default() -> Self {
        Self::of_memory(LibrarySettings { max_bytes: 64 << 20, max_stale: Duration::ZERO })
    }
}

impl Library {
    /// One that forgets with the process.
    pub fn of_memory(settings: LibrarySettings) -> Self {
        Self { table: Mutex::default(), settings, folder: None, writing: Mutex::default(), wake: Notify::new() }
    }

    /// One that is written to a folder, with what is there. Where that cannot be used it is said, and the library forgets with the
    /// process.
    pub fn open(settings: LibrarySettings, state: &Path, ring: Arc<KeyRing>) -> Self {
        let mut library = Self::of_memory(settings);
        let folder = match Folder::open(state, ring) {
            Ok(folder) => folder,
            Err(error) => {
                tracing::error!(%error, "lists cannot be kept in `stateDir`; they are forgotten at each stop");
                return library;
            }
        };
        let loaded = folder.load(settings.max_stale, |volume| library.load(volume));
        if let Err(error) = loaded {
            tracing::error!(%error, "lists cannot be read from `stateDir`");
        }
        library.lock().count();
        library.folder = Some(folder);
        library
    }

    /// Whether there was room for it.
    fn load(&self, volume: Volume) -> bool {
        let mut table = self.lock();
        let bytes = volume.bytes();
        let has_room = table.bytes + bytes <= self.settings.max_bytes && table.volumes.len() < MAX_VOLUMES;
        if has_room {
            table.bytes += bytes;
            let written = clock::unix_time();
            table.volumes.insert(volume.key.clone(), Shelved { volume: volume.into(), bytes, used: 0, written });
        }
        has_room
    }

    /// What is kept of a server for a reader, read by the same settings: what is theirs, or everybody's.
    pub(in crate::upstream) fn find(&self, own: Key, identity: &str) -> Option<Arc<Volume>> {
        let common = Key { server: own.server.clone(), reader: None };
        let mut table = self.lock();
        table.uses += 1;
        let uses = table.uses;
        for key in [own, common] {
            if let Some(found) = table.volumes.get_mut(&key).filter(|found| *found.volume.identity == *identity) {
                found.used = uses;
                return Some(found.volume.clone());
            }
        }
        None
    }

    /// The era that a server was last found to speak, by the same settings.
    pub(in crate::upstream) fn verdict(&self, server: &str, identity: &str) -> Option<Verdict> {
        let table = self.lock();
        let is_it = |volume: &&Arc<Volume>| *volume.key.server == *server && *volume.identity == *identity;
        table.volumes.values().map(|shelved| &shelved.volume).find(is_it).map(|volume| volume.verdict)
    }

    /// Keeps a volume in the place of the one before. One that is larger than all may be is not kept.
    pub(in crate::upstream) fn put(&self, volume: Volume) {
        let (bytes, key) = (volume.bytes(), volume.key.clone());
        if bytes > self.settings.max_bytes {
            tracing::warn!(
                server = &*key.server,
                bytes,
                "the lists of a server are too large to be kept: `lists.maxKept`"
            );
            return;
        }
        let mut table = self.lock();
        table.uses += 1;
        let used = table.uses;
        let (written, is_written) = match table.volumes.get(&key) {
            Some(old) if old.volume.says_what(&volume) => {
                (old.written, clock::unix_time().saturating_sub(old.written) < REWRITE)
            }
            _ => (Duration::ZERO, false),
        };
        table.take(&key);
        table.bytes += bytes;
        table.volumes.insert(key.clone(), Shelved { volume: volume.into(), bytes, used, written });
        if !is_written {
            table.unwritten.insert(key);
        }
        while table.volumes.len() > MAX_VOLUMES || table.bytes > self.settings.max_bytes {
            table.evict();
        }
        self.changed(&mut table);
    }

    /// Forgets what is kept for a principal: what it was read with is no longer theirs.
    pub(in crate::upstream) fn forget(&self, server: &Arc<str>, principal: &str) {
        let key = Key { server: server.clone(), reader: Some(principal.into()) };
        let mut table = self.lock();
        if table.take(&key) {
            table.unwritten.insert(key);
        }
        self.changed(&mut table);
    }

    /// Writes what changes, until it is dropped. Where there is no folder it never does anything.
    ///
    /// # Cancel safety
    /// What was not written is written by [`Library::flush`].
    pub async fn keep(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            sleep(GATHER).await;
            self.flush().await;
        }
    }

    /// Writes what is not written.
    ///
    /// # Cancel safety
    /// Dropped, it goes on in the background.
    pub async fn flush(self: &Arc<Self>) {
        let library = self.clone();
        // A panic there is none here: what is not written is made anew.
        let _ = spawn_blocking(move || library.write()).await;
    }

    fn write(&self) {
        let Some(folder) = &self.folder else { return };
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let unwritten = std::mem::take(&mut self.lock().unwritten);
        for key in unwritten {
            let volume = self.lock().volumes.get(&key).map(|shelved| shelved.volume.clone());
            let Some(volume) = volume else {
                folder.discard(&key);
                continue;
            };
            let stored = folder.store(&volume);
            METRICS.catalog_files.of(if stored.is_ok() { Success::Ok } else { Success::Failed }).inc();
            match stored {
                Ok(()) => {
                    if let Some(shelved) = self.lock().volumes.get_mut(&key) {
                        shelved.written = clock::unix_time();
                    }
                }
                Err(fault) => tracing::warn!(server = &*key.server, %fault, "the lists of a server cannot be written"),
            }
        }
    }

    fn changed(&self, table: &mut Table) {
        table.count();
        if self.folder.is_none() {
            table.unwritten.clear();
        } else if !table.unwritten.is_empty() {
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn count(&self) {
        METRICS.catalogs.set(i64::try_from(self.volumes.len()).unwrap_or(i64::MAX));
        METRICS.catalogs_bytes.set(i64::try_from(self.bytes).unwrap_or(i64::MAX));
    }

    /// Whether it was there.
    fn take(&mut self, key: &Key) -> bool {
        let taken = self.volumes.remove(key);
        self.bytes -= taken.as_ref().map_or(0, |taken| taken.bytes);
        taken.is_some()
    }

    fn evict(&mut self) {
        let oldest = self.volumes.iter().min_by_key(|(_, shelved)| shelved.used).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.take(&key);
            self.unwritten.insert(key);
        }
    }
}
