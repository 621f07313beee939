//! A folder of sealed files: nobody ever finds half of one, and no name from outside becomes the name of a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    redact::Redacted,
    seal::{KeyRing, Purpose},
    state,
    upstream::credential::fault::CredentialFault,
};

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 64 << 10;
/// What files end with.
const SUFFIX: &str = "sealed";

/// A folder of sealed files.
pub(super) struct Folder {
    path: PathBuf,
    ring: Arc<KeyRing>,
    purpose: Purpose,
}

impl Folder {
    /// Makes it if it is not there.
    pub(super) fn open(path: PathBuf, ring: Arc<KeyRing>, purpose: Purpose) -> io::Result<Self> {
        state::make_folder(&path)?;
        Ok(Self { path, ring, purpose })
    }

    /// What `read` makes of its files. What an older key of this ring sealed is sealed anew, so that the key can go; what this ring did
    /// not seal, or `read` does not take, is left where it is.
    pub(super) fn contents<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == SUFFIX) {
                match self.content(&path).and_then(|content| read(content.expose())) {
                    Some(content) => found.push(content),
                    None => tracing::warn!(path = %path.display(), "this is no file of the gateway's that can be read"),
                }
            }
        }
        Ok(found)
    }

    fn content(&self, path: &Path) -> Option<Redacted<Vec<u8>>> {
        let is_small = fs::metadata(path).is_ok_and(|found| found.len() <= MAX_FILE_BYTES);
        let text = if is_small { fs::read_to_string(path).ok()? } else { return None };
        let content = Redacted::new(self.ring.open(self.purpose, text.trim_end()).ok()?);
        if !self.ring.seals_as(text.trim_end())
            && let Err(fault) = self.put(path, &content)
        {
            tracing::warn!(%fault, path = %path.display(), "this file stays sealed with an older key");
        }
        Some(content)
    }

    fn path(&self, name: &str) -> PathBuf {
        state::place(&self.path, name, SUFFIX)
    }

    pub(super) fn write(&self, name: &str, content: &Redacted<Vec<u8>>) -> Result<(), CredentialFault> {
        self.put(&self.path(name), content)
    }

    fn put(&self, path: &Path, content: &Redacted<Vec<u8>>) -> Result<(), CredentialFault> {
        let sealed = self.ring.seal(self.purpose, content.expose()).map_err(|_| CredentialFault::Random)?;
        state::write(path, sealed.as_bytes()).map_err(|error| CredentialFault::Store(error.kind()))
    }

    pub(super) fn remove(&self, name: &str) {
        if let Err(error) = fs::remove_file(self.path(name))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(%error, "the file of something that ended cannot be removed");
        }
    }
}
