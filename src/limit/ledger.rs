//! What was taken of quotas, written down: a day or month goes on where it was after a restart.
//!
//! Only hashes of names are written. A crash forgets what was taken since the last time; a gateway that stops in order forgets nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::state;

/// What was taken of one quota by one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Taken {
    /// A hash of the limit.
    pub(super) quota: String,
    /// A hash of the name.
    pub(super) name: String,
    /// When the day or month ends, in seconds since 1970.
    pub(super) end: u64,
    /// How many.
    pub(super) count: u64,
}

/// The largest file that is read: some 100 bytes for each of a million names.
const MAX_BYTES: u64 = 128 << 20;

/// The file.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    /// What stands in it.
    written: Mutex<Vec<Taken>>,
}

impl Ledger {
    /// The file in this folder, which is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        state::make_folder(folder)?;
        Ok(Self { path: folder.join("quotas.json"), written: Mutex::default() })
    }

    /// What is in it. A file that cannot be read is left where it is until it is written anew, and the log says so.
    pub fn read(&self) -> Vec<Taken> {
        let is_small = |found: &fs::Metadata| found.len() <= MAX_BYTES;
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Ok(found) if is_small(&found) => (),
            _ => return self.unread(),
        }
        let read = fs::read(&self.path).ok().and_then(|bytes| serde_json::from_slice::<Vec<Taken>>(&bytes).ok());
        read.unwrap_or_else(|| self.unread())
    }

    fn unread(&self) -> Vec<Taken> {
        tracing::error!(path = %self.path.display(), "what was taken of quotas cannot be read; they begin anew");
        Vec::new()
    }

    /// Writes what was taken, unless that is what stands there. Blocks.
    ///
    /// # Errors
    /// It cannot be written; the file stays as it was.
    pub fn write(&self, mut taken: Vec<Taken>) -> io::Result<()> {
        taken.sort();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written == taken {
            return Ok(());
        }
        state::write(&self.path, &serde_json::to_vec(&taken)?)?;
        *written = taken;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(count: u64) -> Taken {
        Taken { quota: "q".to_owned(), name: "n".to_owned(), end: 9, count }
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_no_ledger_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        assert!(ledger.read().is_empty());
        ledger.write(vec![taken(2)]).unwrap();
        assert_eq!(Ledger::open(folder.path()).unwrap().read(), [taken(2)]);
        ledger.write(vec![taken(3)]).unwrap();
        assert_eq!(ledger.read(), [taken(3)]);
        fs::write(folder.path().join("quotas.json"), "[{").unwrap();
        assert!(ledger.read().is_empty());
    }
}
