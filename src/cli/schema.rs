//! `myelin schema`: what a configuration may say, for editors.

use std::io::Write;

use myelin::config;

use super::{exit::Code, failure::Failure};

/// Print the JSON Schema of configuration files
///
/// Editors complete and check a file that begins with `# yaml-language-server: $schema=myelin.schema.json`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  myelin schema > myelin.schema.json")]
pub(super) struct PrintSchema {}

impl PrintSchema {
    pub(super) fn run(self) -> Result<Code, Failure> {
        writeln!(std::io::stdout(), "{:#}", config::schema())?;
        Ok(Code::Done)
    }
}
