//! `sandbox`: what a child may do at the most.

use super::found::{section, values};
use crate::{
    config::{
        keys::{CgroupKeys, FileRuleKeys, ResourceKeys, SandboxKeys, ServerKeys, ServerOptions},
        problem::ProblemKind,
        shape::Reader,
    },
    guard::sandbox::{CgroupLimits, FileRules, ResourceLimits, Sandbox},
};

/// The sandbox of a server with a `command`, if it has one.
pub(super) fn settings(keys: &ServerKeys, options: &ServerOptions, reader: &mut Reader<'_>) -> Option<Sandbox> {
    let sandbox = options.sandbox()?;
    let inherit = match &sandbox.inherit {
        Some(_) => values(sandbox.inherit.clone()),
        // Nothing secret, and without it no command is found where systems do not keep them.
        None => vec!["PATH".to_owned()],
    };
    for name in sandbox.inherit.iter().flat_map(|found| &found.value) {
        if name.value.is_empty() || name.value.contains(['=', '\0']) {
            reader.report(&name.place, ProblemKind::VariableName);
        }
    }
    Some(Sandbox {
        inherit,
        files: sandbox.files().map(|files| file_rules(files, keys)),
        network: sandbox.network(),
        user: sandbox.user.as_ref().map(|found| found.value.clone()),
        limits: limits(&section(sandbox.limits.clone())),
        cgroup: cgroup(&section(sandbox.cgroup.clone()), &sandbox, reader),
    })
}

/// A program reads where it works.
fn file_rules(files: FileRuleKeys, keys: &ServerKeys) -> FileRules {
    let mut read = values(files.read);
    read.extend(keys.cwd.as_ref().map(|found| found.value.clone()));
    FileRules { read, write: values(files.write), execute: values(files.execute) }
}

fn limits(keys: &ResourceKeys) -> ResourceLimits {
    ResourceLimits {
        cpu_seconds: keys.cpu.as_ref().map(|found| found.value.as_secs()),
        address_space: wide(keys.address_space.as_ref().map(|found| found.value)),
        open_files: wide(keys.open_files.as_ref().map(|found| found.value)),
        processes: wide(keys.processes.as_ref().map(|found| found.value)),
        file_size: wide(keys.file_size.as_ref().map(|found| found.value)),
    }
}

fn cgroup(keys: &CgroupKeys, sandbox: &SandboxKeys, reader: &mut Reader<'_>) -> CgroupLimits {
    let limits = CgroupLimits {
        memory: wide(keys.memory.as_ref().map(|found| found.value)),
        processes: wide(keys.processes.as_ref().map(|found| found.value)),
        parent: keys.parent.as_ref().map(|found| found.value.clone()),
    };
    if let Some(found) = &sandbox.cgroup
        && !limits.is_asked_for()
        && !reader.reported_below(&found.place)
    {
        reader.report(&found.place, ProblemKind::Incomplete { needed: "memory` or `processes" });
    }
    limits
}

fn wide(number: Option<usize>) -> Option<u64> {
    number.and_then(|number| u64::try_from(number).ok())
}
