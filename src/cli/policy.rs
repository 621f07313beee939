//! `myelin policy`: what the rules say, without a gateway.

use super::{exit::Code, failure::Failure, policy_replay::Replay, policy_test::Test};

/// See what the rules of a configuration say
#[derive(Debug, clap::Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Test(Test),
    Replay(Replay),
}

impl Policy {
    pub(super) fn run(self) -> Result<Code, Failure> {
        match self.command {
            Command::Test(test) => test.run(),
            Command::Replay(replay) => replay.run(),
        }
    }
}
