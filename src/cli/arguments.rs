//! What can be given on the command line, and the way from there to a command.

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use super::{
    audit, call, check, completions, connections, doctor, exit::Code, failure::Failure, health, import, key, logs, pin,
    policy, restart, run as serve, schema, servers, tools,
};

const ABOUT: &str = "An MCP gateway: one front door between AI agents and their tool servers";
const EXAMPLES: &str = "\
Examples:
  myelin                      try it: three built-in servers at http://127.0.0.1:8808/mcp
  myelin run myelin.yaml      serve what a file says; a client's .mcp.json will do
  myelin tools                what a running gateway offers
  myelin call search__web_search query=queues

Exit codes: 0 done, 1 a tool failed, 64 usage, 69 unreachable, 70 internal, 78 configuration";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "myelin", version, about = ABOUT, after_help = EXAMPLES, subcommand_help_heading = "Commands")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(serve::Run),
    Check(check::Check),
    Doctor(doctor::Doctor),
    Import(import::Import),
    Tools(tools::Tools),
    Call(call::CallTool),
    Health(health::Health),
    Servers(servers::Servers),
    Restart(restart::Restart),
    Logs(logs::Logs),
    Audit(audit::Audit),
    Connections(connections::Connections),
    Pin(pin::Pin),
    Key(key::Key),
    Policy(policy::Policy),
    Schema(schema::PrintSchema),
    Completions(completions::Completions),
}

/// Runs the command that `arguments` (with the program's name first) ask for.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let command = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command.unwrap_or_else(|| Command::Run(serve::Run::default())),
        Err(refusal) => {
            let code = if refusal.use_stderr() { Code::Usage } else { Code::Done };
            // Nobody is left to be told when this cannot be printed.
            let _ = refusal.print();
            return code.into();
        }
    };
    command.run().map_or_else(|failure| failure.report(), ExitCode::from)
}

impl Command {
    fn run(self) -> Result<Code, Failure> {
        match self {
            Self::Run(run) => run.run(),
            Self::Check(check) => check.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Import(import) => import.run(),
            Self::Tools(tools) => tools.run(),
            Self::Call(call) => call.run(),
            Self::Health(health) => health.run(),
            Self::Servers(servers) => servers.run(),
            Self::Restart(restart) => restart.run(),
            Self::Logs(logs) => logs.run(),
            Self::Audit(audit) => audit.run(),
            Self::Connections(connections) => connections.run(),
            Self::Pin(pin) => pin.run(),
            Self::Key(key) => key.run(),
            Self::Policy(policy) => policy.run(),
            Self::Schema(schema) => schema.run(),
            Self::Completions(completions) => completions.run(&mut Arguments::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_contradict_each_other_nowhere() {
        Arguments::command().debug_assert();
    }
}
