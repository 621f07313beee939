//! What the guard makes for a sandbox before the child starts, and removes when nothing of it runs any more.

use std::{
    env, fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rustix::process::{Gid, Uid, getpid};
use serde::{Deserialize, Serialize};

use super::{cgroup, lack::Lack, spec::Sandbox};

/// What was made. Dropped, it is removed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::guard) struct Places {
    /// A folder for temporary files, where file rules take the common one away.
    pub(super) temporary: Option<PathBuf>,
    /// A group of the child's own.
    pub(super) cgroup: Option<PathBuf>,
}

/// What cannot be made.
#[derive(Debug, thiserror::Error)]
pub(in crate::guard) enum PlacesFault {
    #[error(transparent)]
    Lack(#[from] Lack),
    #[error("the sandbox's folder or group cannot be made: {0}")]
    System(#[from] io::Error),
    #[error("there is no randomness")]
    Random(#[from] getrandom::Error),
}

impl Places {
    /// Makes what `sandbox` needs.
    pub(in crate::guard) fn make(sandbox: &Sandbox) -> Result<Self, PlacesFault> {
        let mut made = Self::default();
        // A pid alone may be met again after the guard was killed.
        let name = format!("myelin-{}-{:08x}", getpid(), getrandom::u32()?);
        if sandbox.cgroup.is_asked_for() {
            made.cgroup = Some(cgroup::make(&cgroup::parent(&sandbox.cgroup)?, &name, &sandbox.cgroup)?);
        }
        if sandbox.files.is_some() {
            made.temporary = Some(temporary(&env::temp_dir().join(name), sandbox)?);
        }
        Ok(made)
    }

    /// The folder for temporary files.
    pub(in crate::guard) fn temporary(&self) -> Option<&Path> {
        self.temporary.as_deref()
    }

    /// Removes it all; to be called when no process is left in it.
    pub(in crate::guard) fn remove(&self) {
        if let Some(folder) = &self.temporary {
            let _ = fs::remove_dir_all(folder);
        }
        if let Some(group) = &self.cgroup {
            let _ = fs::remove_dir(group);
        }
    }
}

fn temporary(folder: &Path, sandbox: &Sandbox) -> Result<PathBuf, PlacesFault> {
    fs::DirBuilder::new().mode(0o700).create(folder)?;
    if let Some(user) = &sandbox.user {
        let ids = user.ids().map_err(Lack::from)?;
        let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
        rustix::fs::chown(folder, Some(uid), Some(gid)).map_err(io::Error::from)?;
    }
    Ok(folder.to_owned())
}
