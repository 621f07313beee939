//! File rules: Landlock. What no rule allows cannot be opened, made, removed, linked, emptied or executed.
//!
//! Not covered by Landlock: that a path exists and what stat(2) says of it, changing the directory, and connecting to a unix socket
//! that has a path. Source: landlock(7), and Documentation/userspace-api/landlock.rst.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};

use super::{abi::LandlockAbi, spec::FileRules};

/// Programs and libraries, where systems keep them.
const EXECUTED: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];
/// What loaders, C libraries and runtimes read: names, addresses, certificates, times, the machine's size. Nothing of it is secret;
/// `/etc` as a whole would be, and `/proc` shows the arguments of others.
const READ: [&str; 34] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ssl",
    "/etc/ca-certificates",
    "/etc/pki",
    "/etc/crypto-policies",
    "/etc/mime.types",
    "/etc/python3",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/kernel",
    "/proc/uptime",
    "/proc/version",
    "/sys/devices/system/cpu",
];
/// Devices without anything behind them.
const WRITTEN: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// The newest level that was tested here: rights of later ones are not asked for.
const KNOWN: ABI = ABI::V7;
const TO_READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
const OF_A_FILE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | WriteFile | Execute | Truncate | IoctlDev});

/// The level of this kernel: what it takes of what each level brought.
pub(super) fn abi() -> LandlockAbi {
    let hard = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let files = |abi| hard().handle_access(AccessFs::from_all(abi)).and_then(Ruleset::create).is_ok();
    let takes: [&dyn Fn() -> bool; 6] = [
        &|| files(ABI::V1),
        &|| files(ABI::V2),
        &|| files(ABI::V3),
        &|| hard().handle_access(AccessNet::from_all(ABI::V4)).and_then(Ruleset::create).is_ok(),
        &|| files(ABI::V5),
        &|| hard().scope(Scope::from_all(ABI::V6)).and_then(Ruleset::create).is_ok(),
    ];
    LandlockAbi(u8::try_from(takes.iter().take_while(|takes| takes()).count()).unwrap_or_default())
}

/// The rules for a command: those that programs need, the operator's, and one for the command itself.
///
/// # Errors
/// A path of the operator's is gone, or the kernel refuses.
pub(super) fn rules(files: &FileRules, own: &Own<'_>) -> Result<RulesetCreated, RulesFault> {
    let written = TO_READ | AccessFs::from_write(KNOWN);
    let executed = TO_READ | AccessFs::Execute;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V3))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    for (paths, access) in [(&EXECUTED[..], executed), (&READ, TO_READ), (&WRITTEN, written)] {
        for path in paths {
            // Each system has some of them.
            if let Ok(fd) = PathFd::new(path) {
                ruleset = ruleset.add_rule(rule(Path::new(path), fd, access))?;
            }
        }
    }
    let own = [(own.command.as_slice(), executed), (own.folders.as_slice(), written)];
    let operators = [(&*files.read, TO_READ), (&*files.write, written), (&*files.execute, executed)];
    for (paths, access) in own.into_iter().chain(operators) {
        for path in paths {
            let fd = PathFd::new(path).map_err(|_| RulesFault::Path(path.clone()))?;
            ruleset = ruleset.add_rule(rule(path, fd, access))?;
        }
    }
    Ok(ruleset)
}

/// What a child has for itself.
pub(super) struct Own<'a> {
    /// The command's file.
    pub(super) command: &'a Vec<PathBuf>,
    /// Its folder for temporary files.
    pub(super) folders: &'a Vec<PathBuf>,
}

/// Rules that only keep it from signalling processes outside and from their abstract sockets, where the kernel can.
pub(super) fn scopes() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default().scope(Scope::from_all(KNOWN))?.create()
}

/// The kernel takes no rights of folders for a file.
fn rule(path: &Path, fd: PathFd, access: BitFlags<AccessFs>) -> PathBeneath<PathFd> {
    let access = if path.is_dir() { access } else { access & OF_A_FILE };
    PathBeneath::new(fd, access)
}

/// Why there are no rules.
#[derive(Debug, thiserror::Error)]
pub(super) enum RulesFault {
    #[error("{} is not there", .0.display())]
    Path(PathBuf),
    #[error(transparent)]
    Kernel(#[from] RulesetError),
}
