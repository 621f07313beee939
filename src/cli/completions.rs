//! `myelin completions`: for shells.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{arguments::Arguments, exit::Code, failure::Failure};

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  myelin completions bash > ~/.local/share/bash-completion/completions/myelin")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "myelin", &mut script);
        std::io::stdout().write_all(&script)?;
        Ok(Code::Done)
    }
}
