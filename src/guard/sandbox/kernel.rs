//! What this machine can give: asked once before a child starts, by `check` and by `doctor`, and nowhere guessed.

use std::path::Path;

use super::{
    abi::LandlockAbi,
    lack::Lack,
    spec::{CgroupLimits, FileRules, Network, Sandbox},
    user::Ids,
};

/// What this machine can give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The level of Landlock.
    pub landlock: LandlockAbi,
    /// Whether system calls can be filtered.
    pub seccomp: bool,
    /// As whom this process runs.
    pub uid: u32,
    /// Whether it may start and end processes of others.
    pub changes_users: bool,
}

impl Kernel {
    /// Asks the kernel.
    #[cfg(target_os = "linux")]
    pub fn look() -> Self {
        Self {
            landlock: super::files::abi(),
            seccomp: super::network::is_available(),
            uid: rustix::process::geteuid().as_raw(),
            changes_users: super::privileges::change_users(),
        }
    }

    /// There is nothing to ask.
    #[cfg(not(target_os = "linux"))]
    pub fn look() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        Self { landlock: LandlockAbi(0), seccomp: false, uid, changes_users: false }
    }

    /// What is missing for `sandbox`; nothing when it can be had whole.
    pub fn lacks(&self, sandbox: &Sandbox) -> Vec<Lack> {
        if !cfg!(target_os = "linux") {
            return vec![Lack::Linux];
        }
        let mut lacks = Vec::new();
        if let Some(files) = &sandbox.files {
            lacks.extend(self.lack_of_files());
            lacks.extend(missing(files));
        }
        if sandbox.network == Network::Off && !self.seccomp {
            lacks.push(Lack::Seccomp);
        }
        let ids = self.ids(sandbox, &mut lacks);
        if sandbox.limits.processes.is_some() && ids.map_or(self.uid, |ids| ids.uid) == 0 {
            lacks.push(Lack::ProcessesOfRoot);
        }
        lacks.extend(Self::lack_of_cgroup(&sandbox.cgroup));
        lacks
    }

    /// What is missing for file rules.
    pub fn lack_of_files(&self) -> Option<Lack> {
        (!self.landlock.has_files()).then_some(Lack::Landlock(self.landlock.0))
    }

    /// What is missing for limits of all processes together.
    pub fn lack_of_cgroup(limits: &CgroupLimits) -> Option<Lack> {
        if limits.is_asked_for() { super::cgroup::parent(limits).err() } else { None }
    }

    fn ids(&self, sandbox: &Sandbox, lacks: &mut Vec<Lack>) -> Option<Ids> {
        let ids = sandbox.user.as_ref()?.ids();
        match ids {
            Ok(ids) if ids.uid != self.uid && !self.changes_users => lacks.push(Lack::Privilege),
            Ok(_) => {}
            Err(fault) => {
                lacks.push(fault.into());
                return None;
            }
        }
        ids.ok()
    }
}

/// Paths of the operator's that are not there. Those of the system itself may be.
fn missing(files: &FileRules) -> impl Iterator<Item = Lack> {
    let all = files.read.iter().chain(&files.write).chain(&files.execute);
    all.filter(|path| !Path::exists(path)).map(|path| Lack::Path(path.clone()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::guard::sandbox::{ResourceLimits, User};

    /// A machine that has nothing.
    const NOTHING: Kernel = Kernel { landlock: LandlockAbi(0), seccomp: false, uid: 1000, changes_users: false };
    const ALL: Kernel = Kernel { landlock: LandlockAbi(6), seccomp: true, uid: 0, changes_users: true };

    fn lacks(kernel: &Kernel, sandbox: &Sandbox) -> Vec<String> {
        kernel.lacks(sandbox).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_thing_that_is_missing_is_named() {
        let sandbox = Sandbox {
            files: Some(FileRules { read: vec!["/no/such/path".into()], ..FileRules::default() }),
            network: Network::Off,
            user: Some("4000:4000".parse().unwrap()),
            cgroup: CgroupLimits { memory: Some(1), processes: None, parent: Some("/no/such/group".into()) },
            ..Sandbox::default()
        };
        let found = NOTHING.lacks(&sandbox);
        assert!(
            matches!(
                &*found,
                [Lack::Landlock(0), Lack::Path(_), Lack::Seccomp, Lack::Privilege, Lack::Controllers { .. }]
            ),
            "{found:?}"
        );
        assert!(lacks(&NOTHING, &sandbox)[0].contains("this kernel has none"));
    }

    #[test]
    fn what_is_not_asked_for_is_not_missed() {
        assert_eq!(lacks(&NOTHING, &Sandbox::default()), <[&str; 0]>::default());
        let own = Sandbox { user: Some("1000:1000".parse().unwrap()), ..Sandbox::default() };
        assert_eq!(lacks(&NOTHING, &own), <[&str; 0]>::default(), "whoever one is already");
    }

    #[test]
    fn a_limit_that_the_kernel_does_not_apply_is_not_accepted() {
        let limits = ResourceLimits { processes: Some(10), ..ResourceLimits::default() };
        let sandbox = Sandbox { limits, ..Sandbox::default() };
        assert_eq!(ALL.lacks(&sandbox), [Lack::ProcessesOfRoot]);
        let user: User = "4000:4000".parse().unwrap();
        assert_eq!(ALL.lacks(&Sandbox { user: Some(user), ..sandbox }), []);
    }

    #[test]
    fn file_rules_with_a_way_around_them_are_none() {
        let sandbox = Sandbox { files: Some(FileRules::default()), ..Sandbox::default() };
        for (abi, lacks) in [(2, 1), (3, 0), (6, 0)] {
            assert_eq!(Kernel { landlock: LandlockAbi(abi), ..ALL }.lacks(&sandbox).len(), lacks, "ABI {abi}");
        }
    }
}
