//! How a command ends, for scripts.

use std::process::ExitCode;

/// What the exit code says. The numbers from 64 on are those of sysexits.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// All went well.
    Done,
    /// A tool ran and said that it failed, or a server refused the call.
    ToolFailed,
    /// What was asked about is not allowed.
    Denied,
    /// The command was not given as it must be.
    Usage,
    /// A server or gateway cannot be reached.
    Unreachable,
    /// The machine or Myelin itself failed.
    Software,
    /// A configuration has problems.
    Configuration,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(match code {
            Code::Done => 0,
            Code::ToolFailed | Code::Denied => 1,
            Code::Usage => 64,
            Code::Unreachable => 69,
            Code::Software => 70,
            Code::Configuration => 78,
        })
    }
}
