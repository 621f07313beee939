//! What is asked of a sandbox: the validated form that `config` builds, and what the guard is told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::user::User;

/// The sandbox of one server's children.
///
/// Three things belong to every sandbox: no program gains privileges by being started (set-user-ID, capabilities of files), no
/// capability is kept, and no core is dumped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Names of variables that come from the gateway's own environment; all others stay.
    pub inherit: Vec<String>,
    /// Which files there are; all that the user may use when absent.
    pub files: Option<FileRules>,
    /// Whether there is a network.
    pub network: Network,
    /// As whom it runs; as the gateway when absent.
    pub user: Option<User>,
    /// Limits of each process.
    pub limits: ResourceLimits,
    /// Limits of all processes of one child together.
    pub cgroup: CgroupLimits,
}

/// Paths beside those that programs need to start; what is below a directory belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRules {
    /// May be read.
    pub read: Vec<PathBuf>,
    /// May be read, written, made and removed.
    pub write: Vec<PathBuf>,
    /// May be read and executed.
    pub execute: Vec<PathBuf>,
}

/// Whether there is a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// As for the gateway.
    #[default]
    On,
    /// No socket of any family can be made, but for pairs within the child itself.
    Off,
}

/// Limits of each process (getrlimit(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// Seconds of processor time.
    pub cpu_seconds: Option<u64>,
    /// Bytes of address space, used or only reserved.
    pub address_space: Option<u64>,
    /// Open descriptors.
    pub open_files: Option<u64>,
    /// Processes and threads of the user, on the whole machine.
    pub processes: Option<u64>,
    /// Bytes of a file that it writes.
    pub file_size: Option<u64>,
}

/// Limits of all processes of a child together (cgroup v2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupLimits {
    /// Bytes of memory; one that needs more is killed.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// The directory below which a group is made for each child; the gateway's own group or the one above it when absent.
    pub parent: Option<PathBuf>,
}

impl CgroupLimits {
    /// Whether anything is limited.
    pub const fn is_asked_for(&self) -> bool {
        self.memory.is_some() || self.processes.is_some()
    }
}
