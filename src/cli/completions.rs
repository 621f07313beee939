//! `myelin completions`: for shells.

use std::io::Write;

use clap_complete::Shell;

use super::{exit::Code, failure::Failure};

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  myelin completions bash > ~/.local/share/bash-completion/completions/myelin")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// For this command line.
    pub(super) fn run(self, command_line: &mut clap::Command) -> Result<Code, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command_line, "myelin", &mut script);
        std::io::stdout().write_all(&script)?;
        Ok(Code::Done)
    }
}
