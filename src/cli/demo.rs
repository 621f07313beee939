//! `myelin demo`: the built-in servers, as the children that they are to a gateway. No runtime, no parser: they start at once.

use std::{
    ffi::OsString,
    io::{stdin, stdout},
    process::ExitCode,
    str::FromStr,
};

use myelin::demo::{DemoServer, UnknownDemoServer, serve};

use super::exit::Code;

/// Serves MCP over stdin and stdout.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let server = match arguments {
        [name] => name.to_str().ok_or(UnknownDemoServer).and_then(DemoServer::from_str),
        _ => Err(UnknownDemoServer),
    };
    let served = match server {
        Ok(server) => serve(server, stdin().lock(), stdout().lock()),
        Err(unknown) => {
            eprintln!("myelin demo: {unknown}\n\nExample:\n  myelin demo search   speaks MCP over stdin and stdout");
            return Code::Usage.into();
        }
    };
    match served {
        Ok(()) => Code::Done.into(),
        Err(error) => {
            eprintln!("myelin demo: {error}");
            Code::Software.into()
        }
    }
}
