//! The `myelin` command.
//!
//! Three commands are looked for before anything else is read or started, because the gateway runs them once for each child and a
//! child's start is somebody's wait: `guard`, which keeps descendants together, `confine`, which restricts itself and becomes a child,
//! and `demo`, the built-in servers.
#![forbid(unsafe_code)]

mod cli;

use std::{env, ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    let after = arguments.get(2..).unwrap_or_default();
    match arguments.get(1).and_then(|command| command.to_str()) {
        Some("guard") => myelin::guard::run(after),
        #[cfg(target_os = "linux")]
        Some("confine") => myelin::guard::sandbox::confine(after),
        Some("demo") => cli::demo(after),
        _ => cli::run(&arguments),
    }
}
