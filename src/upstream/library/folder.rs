//! The files of a library: one for each volume, sealed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    seal::{KeyRing, Purpose},
    state,
    telemetry::{label::Success, metrics::METRICS},
};

use super::{key::Key, volume::Volume};

/// The largest file: ten thousand entries of a kilobyte, sealed. A volume that is larger is kept in memory only.
const MAX_FILE_BYTES: usize = 16 << 20;
/// What a volume's file ends with.
const SUFFIX: &str = "catalog";

/// A folder of volumes.
pub(super) struct Folder {
    path: PathBuf,
    ring: Arc<KeyRing>,
}

/// Why a volume was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreFault {
    /// It is larger than a file may be.
    #[error("it is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// The machine has no randomness.
    #[error("the operating system has no randomness")]
    Random,
    /// The file system refuses.
    #[error("the file system refuses")]
    Io(#[from] io::Error),
}

impl Folder {
    /// The folder `catalogs` in `state`, made if it is not there.
    pub(super) fn open(state: &Path, ring: Arc<KeyRing>) -> io::Result<Self> {
        let path = state.join("catalogs");
        state::make_folder(&path)?;
        Ok(Self { path, ring })
    }

    /// Reads the newest files until `take` has enough, and removes the others, and those that cannot be read.
    pub(super) fn load(&self, max_stale: Duration, mut take: impl FnMut(Volume) -> bool) -> io::Result<()> {
        let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let ends_with = |end: &str| path.extension().is_some_and(|found| found == end);
            if ends_with(state::BESIDE) {
                // Of a process that was killed while it wrote.
                remove(&path);
            } else if ends_with(SUFFIX) {
                let written = fs::metadata(&path).and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((written, path));
            }
        }
        files.sort_by(|one, other| other.cmp(one));
        for (_, path) in files {
            let volume = self.read(&path, max_stale);
            METRICS.catalog_files.of(if volume.is_some() { Success::Ok } else { Success::Failed }).inc();
            match volume {
                Some(volume) => {
                    if !take(volume) {
                        remove(&path);
                    }
                }
                None => {
                    tracing::warn!(path = %path.display(), "these are no lists that can be read; they are made anew");
                    remove(&path);
                }
            }
        }
        Ok(())
    }

    /// What a file says. A file under another one's name is none: its name says whose it is.
    fn read(&self, path: &Path, max_stale: Duration) -> Option<Volume> {
        let most = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
        let is_small = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= most);
        let text = if is_small { fs::read_to_string(path).ok()? } else { return None };
        let volume = Volume::read(self.ring.open(Purpose::Catalog, &text).ok()?, max_stale)?;
        (self.place(&volume.key) == path).then_some(volume)
    }

    /// Writes a volume. Nobody ever finds half of it.
    pub(super) fn store(&self, volume: &Volume) -> Result<(), StoreFault> {
        let sealed = self.ring.seal(Purpose::Catalog, volume.written().bytes()).map_err(|_| StoreFault::Random)?;
        if sealed.len() > MAX_FILE_BYTES {
            // What was written of it before is older than what is known.
            self.discard(&volume.key);
            return Err(StoreFault::TooLarge);
        }
        Ok(state::write(&self.place(&volume.key), sealed.as_bytes())?)
    }

    /// Removes what was written of a volume.
    pub(super) fn discard(&self, key: &Key) {
        remove(&self.place(key));
    }

    fn place(&self, key: &Key) -> PathBuf {
        let whose = match &key.reader {
            Some(principal) => format!("{}\n{principal}", key.server),
            None => key.server.to_string(),
        };
        state::place(&self.path, &whose, SUFFIX)
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a file of lists cannot be removed");
        }
        _ => (),
    }
}
