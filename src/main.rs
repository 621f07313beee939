//! The `myelin` command.
#![forbid(unsafe_code)]

use std::{ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == "guard" => {
            myelin::guard::run(rest.strip_prefix(&[OsString::from("--")]).unwrap_or(rest))
        }
        _ => ExitCode::SUCCESS,
    }
}
