//! The guard: a tiny process between the gateway and a child, so that no descendant of a child outlives either.
//!
//! `myelin guard -- COMMAND ARGS…` starts COMMAND with its own stdin, stdout and stderr (it relays nothing), adopts every
//! process COMMAND leaves behind (child subreaper), and kills them all when COMMAND ends, when the gateway is gone (also by
//! `kill -9`: the read end of stdout is then closed), or when it is told to by SIGTERM. The gateway cannot arrange this from its
//! own process: what runs between fork and exec is unsafe code, which this crate forbids, and a signal on the parent's death
//! reaches neither grandchildren nor daemons.
//!
//! By itself it confines nothing: a child that kills the guard with SIGKILL escapes (its process group is still killed by
//! [`crate::upstream::wire::stdio`]). What a child may do is said in a [`sandbox`], which the guard puts it into:
//! `myelin guard --sandbox JSON -- COMMAND ARGS…`. Outside Linux there are no subreapers: the guard becomes COMMAND.
//!
//! Source: prctl(2) `PR_SET_CHILD_SUBREAPER`, proc_pid_children(5), poll(2) on the write end of a pipe.

#[cfg(not(target_os = "linux"))]
mod become_command;
mod orders;
pub mod sandbox;
#[cfg(target_os = "linux")]
mod supervise;
pub(crate) mod tree;

#[cfg(not(target_os = "linux"))]
pub use become_command::run;
pub use orders::SANDBOX;
#[cfg(target_os = "linux")]
pub use supervise::run;
