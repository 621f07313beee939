//! What a machine cannot give of what a sandbox asks for.

use std::path::PathBuf;

use super::user::UserFault;

/// What is missing: each message says what for, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// Not this operating system.
    #[error("a sandbox needs Linux")]
    Linux,
    /// No file rules, or such as leave a way around them.
    #[error(
        "`files` needs Landlock ABI 3 (Linux 6.2), and this kernel has {}: add `landlock` to the kernel's `lsm=`, or write `files: off`",
        abi(*.0)
    )]
    Landlock(u8),
    /// No filter of system calls.
    #[error("`network: off` needs seccomp filters, which this kernel or container does not have")]
    Seccomp,
    /// The gateway is not privileged enough.
    #[error("`user` needs a gateway with CAP_SETUID, CAP_SETGID and CAP_KILL, such as one that root runs")]
    Privilege,
    /// Nobody of that name.
    #[error("`user`: {0}")]
    User(#[from] UserFault),
    /// A limit that the kernel does not apply to root.
    #[error("`limits.processes` does not hold for root: name another `user`, or use `cgroup.processes`")]
    ProcessesOfRoot,
    /// The machine has no such hierarchy.
    #[error("`cgroup` needs cgroup v2, which is not mounted")]
    NoCgroup,
    /// Nothing can be limited there.
    #[error(
        "`cgroup` needs the controllers {controllers} in {}/cgroup.subtree_control, which it does not have: delegate a group to the gateway (systemd: `Delegate=yes` and `DelegateSubgroup=`), or name one with `cgroup.parent`",
        group.display()
    )]
    Controllers {
        /// Where they were looked for.
        group: PathBuf,
        /// Which of them are missing.
        controllers: String,
    },
    /// No group can be made there.
    #[error("`cgroup` needs to make groups in {}, which this user must not", .0.display())]
    CgroupDenied(PathBuf),
    /// What is to be allowed does not exist.
    #[error("`files` names {}, which is not there", .0.display())]
    Path(PathBuf),
}

fn abi(abi: u8) -> String {
    if abi == 0 { "none".to_owned() } else { format!("ABI {abi}") }
}
