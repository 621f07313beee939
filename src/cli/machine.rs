//! What `myelin doctor` finds of the machine: the kernel, limits, folders, the clock.

use std::{fs, io, path::Path, time::Duration};

use myelin::{
    clock,
    config::settings::Settings,
    guard::sandbox::{CgroupLimits, Kernel, LandlockAbi},
    upstream::settings::WireSettings,
};
use rustix::process::{Resource, getrlimit};

use super::finding::Finding;

/// Descriptors beside those of clients: files, pipes of children, connections to servers.
const OTHER_DESCRIPTORS: u64 = 1024;
/// Before this program was written: 2026-01-01.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);

/// What this kernel gives to sandboxes.
pub(super) fn kernel(kernel: &Kernel) -> Vec<Finding> {
    let mut findings = vec![landlock(kernel)];
    findings.push(match kernel.seccomp {
        true => Finding::good("kernel, seccomp", "system calls can be filtered: `network: off` holds"),
        false => Finding::warning("kernel, seccomp", "no filters of system calls", "`network: off` is refused here"),
    });
    findings.push(match kernel.changes_users {
        true => Finding::good("kernel, users", "`sandbox.user` may name any user"),
        false => Finding::warning(
            "kernel, users",
            "this user may not start programs as others",
            "`sandbox.user` is refused; it needs CAP_SETUID, CAP_SETGID and CAP_KILL",
        ),
    });
    let all = CgroupLimits { memory: Some(u64::MAX), processes: Some(1), parent: None };
    findings.push(match Kernel::lack_of_cgroup(&all) {
        None => Finding::good("kernel, cgroup v2", "groups with limits of memory and processes can be made"),
        Some(lack) => Finding::warning("kernel, cgroup v2", lack.to_string(), "`sandbox.cgroup` is refused here"),
    });
    findings.push(namespaces());
    findings.push(pidfd());
    findings
}

fn landlock(kernel: &Kernel) -> Finding {
    const ABOUT: &str = "kernel, Landlock";
    let LandlockAbi(abi) = kernel.landlock;
    match kernel.lack_of_files() {
        Some(lack) => Finding::warning(ABOUT, lack.to_string(), "`sandbox.files` is refused here"),
        None if kernel.landlock.has_scopes() => {
            Finding::good(ABOUT, "file rules hold, and processes outside are not signalled (ABI 6 or later)")
        }
        None => Finding::warning(
            ABOUT,
            format!("file rules hold (ABI {abi}); a child may signal other processes of its user"),
            "give it a `user` of its own, or Linux 6.12",
        ),
    }
}

/// Nothing here needs them; browsers in servers do.
fn namespaces() -> Finding {
    const ABOUT: &str = "kernel, user namespaces";
    let most = fs::read_to_string("/proc/sys/user/max_user_namespaces").ok().and_then(|text| text.trim().parse().ok());
    match most {
        Some(1_u64..) => Finding::good(ABOUT, "there are some; no sandbox of Myelin's needs them"),
        Some(0) | None => Finding::good(ABOUT, "there are none; no sandbox of Myelin's needs them"),
    }
}

#[cfg(target_os = "linux")]
fn pidfd() -> Finding {
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Finding::good("kernel, pidfd", "processes can be watched by a descriptor"),
        Err(fault) => Finding::good("kernel, pidfd", format!("not here ({fault}); nothing of Myelin's needs it")),
    }
}

#[cfg(not(target_os = "linux"))]
fn pidfd() -> Finding {
    Finding::good("kernel, pidfd", "not here; nothing of Myelin's needs it")
}

/// The sandboxes that the configuration asks for.
pub(super) fn sandboxes(settings: &Settings, kernel: &Kernel) -> Vec<Finding> {
    let sandboxed = settings.upstreams.iter().filter_map(|upstream| match &upstream.wire {
        WireSettings::Stdio(stdio) => Some((&upstream.name, stdio.sandbox.as_deref()?)),
        WireSettings::Http(_) => None,
    });
    let judged = sandboxed.map(|(name, sandbox)| {
        let about = format!("{name}, sandbox");
        let lacks: Vec<String> = kernel.lacks(sandbox).iter().map(ToString::to_string).collect();
        match lacks.is_empty() {
            true => Finding::good(about, "this machine gives all that it asks for"),
            false => Finding::problem(
                about,
                lacks.join("; "),
                "the server is not started until then, or `sandbox` asks for less",
            ),
        }
    });
    judged.collect()
}

/// Open descriptors, state and keys.
pub(super) fn limits(settings: &Settings) -> Vec<Finding> {
    let needed = u64::try_from(settings.http.max_connections).unwrap_or(u64::MAX).saturating_add(OTHER_DESCRIPTORS);
    let descriptors = match getrlimit(Resource::Nofile).current {
        Some(most) if most < needed => Finding::warning(
            "limit, open files",
            format!("{most}, and `http.maxConnections` with all else may need {needed}"),
            format!("`ulimit -n {needed}` (systemd: `LimitNOFILE=`), or a smaller `http.maxConnections`"),
        ),
        Some(most) => Finding::good("limit, open files", most.to_string()),
        None => Finding::good("limit, open files", "none"),
    };
    vec![descriptors, sealing(settings), state(settings)]
}

fn sealing(settings: &Settings) -> Finding {
    match settings.sealing_keys.len() {
        0 => Finding::warning(
            "sealing keys",
            "none: sessions, cursors and questions do not survive a restart, nor reach another replica",
            "write `sealing: { keys: [\"${file:…}\"] }` with 32 random characters or more",
        ),
        count => Finding::good("sealing keys", format!("{count}")),
    }
}

fn state(settings: &Settings) -> Finding {
    let Some(folder) = &settings.state_dir else {
        return Finding::good("stateDir", "none: nothing is kept over a restart");
    };
    match writable(folder) {
        Ok(()) => Finding::good("stateDir", format!("{} can be written", folder.display())),
        Err(fault) => Finding::problem(
            "stateDir",
            format!("{} cannot be written: {fault}", folder.display()),
            "make it, with the gateway's user as its owner and mode 700",
        ),
    }
}

/// A folder that is made at the first start may be missing.
fn writable(folder: &Path) -> io::Result<()> {
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    if !there.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?)
}

/// The clock, by itself.
pub(super) fn clock() -> Finding {
    match clock::unix_time() {
        now if now < EARLIEST => Finding::problem(
            "clock",
            "it is set before 2026",
            "set it, best by NTP: tokens and certificates do not hold",
        ),
        _ => Finding::good("clock", "plausible"),
    }
}
