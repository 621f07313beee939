//! `myelin tools`: what there is to call.

use std::io::Write;

use myelin::{jsonrpc, mcp::LogInterest, route::Exposed};

use super::{
    exit::Code,
    failure::Failure,
    reach::{Reach, Target, caller, runtime},
    signature::Signature,
    terminal::{WARNING, plain_line, table},
};

/// List the tools of a gateway, of a server, or of the servers of a file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  myelin tools
  myelin tools --url https://mcp.example/mcp --header 'Authorization: Bearer …'
  myelin tools --config .mcp.json --json")]
pub(super) struct Tools {
    #[command(flatten)]
    target: Target,
    /// Print the tools as they were listed, as JSON
    #[arg(long)]
    json: bool,
}

impl Tools {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let reach = Reach::new(&self.target)?;
        let runtime = runtime()?;
        let listing = runtime.block_on(async {
            let listing = reach.tools(&caller(LogInterest::Off)).await;
            reach.close().await;
            listing
        });
        let nobody_answered = listing.missing.len() == reach.len();
        for (server, fault) in listing.missing {
            let failure = reach.failure(&server, fault);
            if nobody_answered {
                return Err(failure);
            }
            anstream::eprintln!("{WARNING}left out:{WARNING:#} {failure}");
        }
        if self.json { print_json(listing.index.entries()) } else { print(listing.index.entries()) }
    }
}

fn print_json(tools: &[Exposed]) -> Result<Code, Failure> {
    let tools = jsonrpc::array(tools.iter().map(|tool| tool.raw.clone()));
    writeln!(std::io::stdout(), r#"{{"tools":{}}}"#, tools.as_str())?;
    Ok(Code::Done)
}

fn print(tools: &[Exposed]) -> Result<Code, Failure> {
    if tools.is_empty() {
        anstream::eprintln!("there are no tools");
        return Ok(Code::Done);
    }
    let rows = tools.iter().map(|tool| {
        let signature = Signature::read(tool.raw.as_str());
        [plain_line(&tool.name), signature.purpose(), signature.arguments()]
    });
    write!(anstream::stdout(), "{}", table(["TOOL", "WHAT IT DOES", "ARGUMENTS"], rows))?;
    Ok(Code::Done)
}
