//! Limits of a child and all it starts: a group of its own in cgroup v2.
//!
//! A group may have limits for groups below it, or processes, and not both (the "no internal process" rule), so that a child's group
//! goes below the gateway's only where that is the root, and else beside it, below the group above: what systemd makes of
//! `Delegate=yes` with `DelegateSubgroup=`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{lack::Lack, spec::CgroupLimits};

/// Where groups for children can be made.
///
/// # Errors
/// [`Lack`]: nowhere.
pub(super) fn parent(limits: &CgroupLimits) -> Result<PathBuf, Lack> {
    let candidates = match &limits.parent {
        Some(parent) => vec![parent.clone()],
        None => {
            let (mounts, groups) =
                (fs::read_to_string("/proc/self/mountinfo"), fs::read_to_string("/proc/self/cgroup"));
            own_groups(&mounts.unwrap_or_default(), &groups.unwrap_or_default()).ok_or(Lack::NoCgroup)?
        }
    };
    let mut lack = Lack::NoCgroup;
    for group in candidates {
        match usable(&group, limits) {
            Ok(()) => return Ok(group),
            Err(found) => lack = found,
        }
    }
    Err(lack)
}

/// The gateway's own group and the one above it, as directories.
fn own_groups(mounts: &str, groups: &str) -> Option<Vec<PathBuf>> {
    let (root, mounted) = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut fields = place.split(' ').skip(3);
        let found = (fields.next()?, fields.next()?);
        kind.starts_with("cgroup2 ").then_some(found)
    })?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let below = own.strip_prefix(root).unwrap_or(own).trim_start_matches('/');
    let mounted = Path::new(mounted);
    // Without a slash at its end, where it is the root.
    let own: PathBuf = mounted.join(below).components().collect();
    let above = own.parent().filter(|above| above.starts_with(mounted)).map(Path::to_owned);
    Some([own].into_iter().chain(above).collect())
}

fn usable(group: &Path, limits: &CgroupLimits) -> Result<(), Lack> {
    let enabled = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
    let wanted = [("memory", limits.memory), ("pids", limits.processes)];
    let is_missing = |name: &str| !enabled.split_ascii_whitespace().any(|known| known == name);
    let missing: Vec<&str> =
        wanted.into_iter().filter(|(name, limit)| limit.is_some() && is_missing(name)).map(|(name, _)| name).collect();
    if !missing.is_empty() {
        return Err(Lack::Controllers { group: group.to_owned(), controllers: missing.join(" and ") });
    }
    // To move a process one must be allowed to write both here and where they meet.
    let is_ours = |path: &Path| access(path, Access::WRITE_OK).is_ok();
    match is_ours(group) && is_ours(&group.join("cgroup.procs")) {
        true => Ok(()),
        false => Err(Lack::CgroupDenied(group.to_owned())),
    }
}

/// A group with these limits.
///
/// # Errors
/// The kernel refuses the group, or a limit; nothing is left behind.
pub(super) fn make(parent: &Path, name: &str, limits: &CgroupLimits) -> io::Result<PathBuf> {
    let group = parent.join(name);
    fs::create_dir(&group)?;
    let limit = || {
        if let Some(bytes) = limits.memory {
            fs::write(group.join("memory.max"), bytes.to_string())?;
            // What is swapped out is memory as well; the file is missing where there is no swap accounting.
            match fs::write(group.join("memory.swap.max"), "0") {
                Err(error)
                    if error.kind() != io::ErrorKind::NotFound && error.kind() != io::ErrorKind::PermissionDenied =>
                {
                    return Err(error);
                }
                _ => {}
            }
        }
        limits.processes.map_or(Ok(()), |most| fs::write(group.join("pids.max"), most.to_string()))
    };
    match limit() {
        Ok(()) => Ok(group),
        Err(error) => {
            let _ = fs::remove_dir(&group);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_are_found_where_the_hierarchy_is_mounted() {
        let mounts =
            "23 27 0:22 / /sys rw - sysfs sysfs rw\n38 31 0:35 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
        let own = |groups| own_groups(mounts, groups).unwrap();
        let service = own("9:name=systemd:/\n0::/system.slice/myelin.service/gateway\n");
        let expected =
            ["/sys/fs/cgroup/system.slice/myelin.service/gateway", "/sys/fs/cgroup/system.slice/myelin.service"];
        assert_eq!(service, expected.map(PathBuf::from));
        assert_eq!(own("0::/\n"), [PathBuf::from("/sys/fs/cgroup")], "nothing is above the root");
        let bound = "38 31 0:35 /box /cg rw - cgroup2 none rw\n";
        assert_eq!(own_groups(bound, "0::/box/a\n").unwrap(), ["/cg/a", "/cg"].map(PathBuf::from));
        assert_eq!(own_groups("1 1 0:1 / /x rw - cgroup cgroup rw,memory\n", "0::/\n"), None);
    }

    #[test]
    fn a_group_without_the_controllers_or_the_right_to_write_is_of_no_use() {
        let folder = tempfile::tempdir().unwrap();
        let limits = CgroupLimits { memory: Some(1), processes: Some(2), parent: Some(folder.path().to_owned()) };
        let lack = parent(&limits).unwrap_err();
        let Lack::Controllers { controllers, .. } = &lack else { panic!("{lack}") };
        assert_eq!(controllers, "memory and pids");
        fs::write(folder.path().join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        assert_eq!(parent(&limits), Err(Lack::CgroupDenied(folder.path().to_owned())));
        fs::write(folder.path().join("cgroup.procs"), "").unwrap();
        assert_eq!(parent(&limits).as_deref(), Ok(folder.path()));
    }

    #[test]
    fn a_group_has_the_limits_before_anybody_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let limits = CgroupLimits { memory: Some(64 << 20), processes: Some(7), parent: None };
        let group = make(folder.path(), "child", &limits).unwrap();
        let written = |name| fs::read_to_string(group.join(name)).unwrap();
        assert_eq!([written("memory.max"), written("memory.swap.max"), written("pids.max")], ["67108864", "0", "7"]);
        assert!(make(folder.path(), "child", &limits).is_err(), "a group is one child's");
    }
}
