//! What the guard is told.

use std::ffi::{OsStr, OsString};

/// The option that says what the command may do.
pub const SANDBOX: &str = "--sandbox";

/// What `arguments` ask for: a sandbox, perhaps, and a command.
pub(super) fn orders(arguments: &[OsString]) -> (Option<&OsStr>, &[OsString]) {
    let (sandbox, rest) = match arguments {
        [option, sandbox, rest @ ..] if option == SANDBOX => (Some(&**sandbox), rest),
        rest => (None, rest),
    };
    let command = match rest {
        [dashes, command @ ..] if dashes == "--" => command,
        command => command,
    };
    (sandbox, command)
}
