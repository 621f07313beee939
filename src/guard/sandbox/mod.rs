//! The sandbox of a child: what it may do at the most, whatever it is told.
//!
//! No container engine is needed: the process restricts itself and then becomes the command (`confine`), so that everything the
//! command starts is restricted as well and can never undo it. What the kernel cannot give is refused before anything starts
//! ([`Kernel::lacks`]); nothing is left out in silence.
//!
//! It is deliberately no container: there is no other root directory, no other user database, and processes see each other's ids.
//!
//! Sources: landlock(7), seccomp(2), capabilities(7), getrlimit(2), prctl(2) `PR_SET_NO_NEW_PRIVS`, and the kernel's
//! Documentation/admin-guide/cgroup-v2.rst.

mod abi;
mod cgroup;
#[cfg(target_os = "linux")]
mod confine;
#[cfg(target_os = "linux")]
mod files;
mod kernel;
mod lack;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod places;
#[cfg(target_os = "linux")]
mod privileges;
mod spec;
mod user;

pub use abi::LandlockAbi;
#[cfg(target_os = "linux")]
pub use confine::run as confine;
pub use kernel::Kernel;
pub use lack::Lack;
pub use spec::{CgroupLimits, FileRules, Network, ResourceLimits, Sandbox};
pub use user::{Ids, User, UserFault};

#[cfg(target_os = "linux")]
pub(super) use places::{Places, PlacesFault};
