//! Who a child is and what it can never become.

use rustix::{
    io,
    process::{Gid, Resource, Rlimit, Uid, setrlimit},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
        set_capabilities, set_no_new_privs, set_thread_gid, set_thread_groups, set_thread_uid,
    },
};

use super::{spec::ResourceLimits, user::Ids};

/// Whether this process may start processes as somebody else, and end them.
pub(super) fn change_users() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// Gives up every capability, for good, and becomes `ids`. For a process of one thread: the calls are the thread's own.
///
/// # Errors
/// The kernel refuses.
pub(super) fn give_up(ids: Option<Ids>) -> io::Result<()> {
    // No program that is started gains any by its owner or its file.
    set_no_new_privs(true)?;
    let _ = clear_ambient_capability_set();
    if capabilities(None)?.effective.contains(CapabilitySet::SETPCAP) {
        empty_bounding_set()?;
    }
    if let Some(Ids { uid, gid }) = ids.filter(|ids| !is_already(*ids)) {
        set_thread_groups(&[])?;
        set_thread_gid(Gid::from_raw(gid))?;
        set_thread_uid(Uid::from_raw(uid))?;
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

fn is_already(ids: Ids) -> bool {
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    uid.as_raw() == ids.uid && gid.as_raw() == ids.gid && !change_users()
}

/// The kernel says where the capabilities that it knows end.
fn empty_bounding_set() -> io::Result<()> {
    for number in 0..64 {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Err(io::Errno::INVAL) => return Ok(()),
            done => done?,
        }
    }
    Ok(())
}

/// Sets the limits, soft and hard.
///
/// # Errors
/// One is above what this process has itself.
pub(super) fn limit(limits: &ResourceLimits) -> io::Result<()> {
    let set = [
        (Resource::Core, Some(0)),
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::Nofile, limits.open_files),
        (Resource::Nproc, limits.processes),
        (Resource::Fsize, limits.file_size),
        // The last one: this process allocates, too.
        (Resource::As, limits.address_space),
    ];
    for (resource, most) in set {
        if most.is_some() {
            setrlimit(resource, Rlimit { current: most, maximum: most })?;
        }
    }
    Ok(())
}
