//! `sandbox`: what a child may do at the most.

use crate::{
    config::{
        shape::section,
        shapes::{Account, Choice, Count, FilePath, List, OrOff, Space, Text, Time},
    },
    guard::sandbox::Network,
};

section! {
    /// What the server's program may do at the most; whatever it starts is held to it as well. Where the machine cannot give all of it,
    /// the server is not started. Linux only.
    SandboxKeys {
        /// Variables that come from the gateway's environment, beside those in `env`; `PATH` alone when absent.
        inherit "inherit": List<Text>,
        /// Which files it may use, beside the system's programs and libraries (Landlock); `off` for all that its user may.
        files "files": OrOff<FileRuleKeys> = Some(FileRuleKeys::default()),
        /// `off`: no socket can be made, of any kind, but for pairs within the program.
        network "network": Choice<Network> = Network::On,
        /// As whom it runs: `USER`, `USER:GROUP` or numbers. Needs a gateway that may change users.
        user "user": Account,
        /// Limits of each of its processes.
        limits "limits": ResourceKeys,
        /// Limits of all its processes together. Needs cgroup v2 and a group in which the gateway may make others.
        cgroup "cgroup": CgroupKeys,
    }
}

section! {
    /// Paths, relative ones from the configuration's own directory; what is below a folder belongs to it. `cwd` may be read.
    FileRuleKeys {
        /// May be read.
        read "read": List<FilePath>,
        /// May be read, written, made and removed.
        write "write": List<FilePath>,
        /// May be read and executed.
        execute "execute": List<FilePath>,
    }
}

section! {
    /// Limits of each process.
    ResourceKeys {
        /// Time on a processor.
        cpu "cpu": Time<1000>,
        /// Memory that is used or only reserved; runtimes such as Node.js reserve many times what they use.
        address_space "addressSpace": Space,
        /// Open files and other descriptors.
        open_files "openFiles": Count<8>,
        /// Processes and threads of its `user` on the whole machine; of no effect for root, and refused there.
        processes "processes": Count,
        /// The largest file that it may write.
        file_size "fileSize": Space,
    }
}

section! {
    /// Limits of all processes of one child together.
    CgroupKeys {
        /// Memory in use; a child that needs more is killed.
        memory "memory": Space,
        /// Processes and threads.
        processes "processes": Count,
        /// The directory of the group below which each child gets its own; when absent the gateway's own group, or the one above it.
        parent "parent": FilePath,
    }
}
