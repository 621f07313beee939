//! No network: a filter of system calls (seccomp) that refuses every new socket.
//!
//! It covers all families alike: TCP, UDP, ICMP, raw and packet sockets, vsock, netlink, bluetooth, and unix sockets with a path or
//! without, so that neither a container engine nor a bus of the machine can be asked to do it instead. Pairs of sockets
//! (socketpair(2)) stay, since runtimes talk to their own children over them. Landlock would cover TCP alone, and a network namespace
//! leaves the unix sockets and is refused by many machines.
//!
//! Ways around it are closed as well: io_uring makes sockets without a system call of its own, and ptrace(2), pidfd_getfd(2) and
//! process_vm_writev(2) borrow those of another process. A call by another architecture's numbers ends the process.

use std::{collections::BTreeMap, env::consts::ARCH, fs};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// What is answered: a refusal that programs know, and not one that they would take for an old kernel.
const EACCES: u32 = 13;

/// What makes or borrows a socket.
const REFUSED: [i64; 6] = [
    libc::SYS_socket,
    libc::SYS_io_uring_setup,
    libc::SYS_ptrace,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
];
/// The same by the numbers of x32, which is the same architecture to the filter: asm/unistd_x32.h.
#[cfg(target_arch = "x86_64")]
const OF_X32: [i64; 6] = {
    const BIT: i64 = 0x4000_0000;
    [BIT + 41, BIT + 425, BIT + 521, BIT + 438, BIT + 539, BIT + 540]
};
#[cfg(not(target_arch = "x86_64"))]
const OF_X32: [i64; 0] = [];

/// Whether this kernel filters system calls by programs that can answer with an error.
pub(super) fn is_available() -> bool {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    actions.split_ascii_whitespace().any(|action| action == "errno") && filter().is_ok()
}

/// From now on this process makes no socket.
///
/// # Errors
/// The kernel refuses the filter.
pub(super) fn switch_off() -> Result<(), seccompiler::Error> {
    seccompiler::apply_filter(&filter()?)
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let rules: BTreeMap<i64, Vec<_>> = REFUSED.into_iter().chain(OF_X32).map(|call| (call, Vec::new())).collect();
    let (allow, refuse) = (SeccompAction::Allow, SeccompAction::Errno(EACCES));
    SeccompFilter::new(rules, allow, refuse, ARCH.try_into()?)?.try_into()
}
