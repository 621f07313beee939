//! The guard where the system has no subreapers: it becomes the command, which costs nothing and hides nothing.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use super::orders::orders;

/// Replaces this process by the command in `arguments`; returns only when that failed (127).
pub fn run(arguments: &[OsString]) -> ExitCode {
    let (sandbox, command) = orders(arguments);
    if sandbox.is_some() {
        eprintln!("myelin guard: {}", super::sandbox::Lack::Linux);
        return ExitCode::from(126);
    }
    let Some((program, arguments)) = command.split_first() else {
        eprintln!("myelin guard: no command");
        return ExitCode::from(2);
    };
    let fault = Command::new(program).args(arguments).exec();
    eprintln!("myelin guard: cannot start {}: {fault}", program.display());
    ExitCode::from(127)
}
