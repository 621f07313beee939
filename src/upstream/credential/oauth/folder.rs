//! A folder of sealed files: nobody ever finds half of one, and no name from outside becomes the name of a file.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    redact::Redacted,
    seal::{KeyRing, Purpose},
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
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self { path, ring, purpose })
    }

    /// What `read` makes of its files. What this ring did not seal, or `read` does not take, is left where it is.
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
        self.ring.open(self.purpose, text.trim_end()).ok().map(Redacted::new)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(format!("{}.{SUFFIX}", URL_SAFE_NO_PAD.encode(digest(&SHA256, name.as_bytes()))))
    }

    /// Written beside and renamed.
    pub(super) fn write(&self, name: &str, content: &Redacted<Vec<u8>>) -> Result<(), CredentialFault> {
        let sealed = self.ring.seal(self.purpose, content.expose()).map_err(|_| CredentialFault::Random)?;
        let path = self.path(name);
        let beside = path.with_extension("new");
        let store = || {
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(sealed.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        };
        store().map_err(|error| CredentialFault::Store(error.kind()))
    }

    pub(super) fn remove(&self, name: &str) {
        if let Err(error) = fs::remove_file(self.path(name))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(%error, "the file of something that ended cannot be removed");
        }
    }
}
