//! Isolation under load: many principals with permissions that do not overlap, at full speed through one gateway, in both eras.
//!
//! It serves the servers, starts the gateway in front of them, and is every client. Whatever belongs to a principal has the principal's mark
//! in its name, so that a mark in the wrong place is seen wherever it turns up: in an answer, a list, a notice, an error, or at a server.
//! HTTP is by hand, as in the benchmark, so that it shares no code with the gateway and is no bottleneck. `tests/isolation/run` drives it.
#![forbid(unsafe_code)]
#![expect(clippy::indexing_slicing, reason = "JSON is indexed: what is not there is null, and nothing panics")]

mod clock;
mod errand;
mod gateway;
#[path = "../bench/load/http1.rs"]
mod http1;
mod people;
mod random;
mod shelf;
mod tally;
mod visitor;

use std::{path::PathBuf, rc::Rc, time::Duration};

use clap::Parser;
use tokio::task::LocalSet;

use crate::{gateway::Gateway, people::Person, shelf::Shelf, tally::Tally, visitor::Visitor};

/// Lets many principals work through one gateway and watches the lines between them.
#[derive(Parser)]
#[command(name = "isolation")]
struct Options {
    /// The gateway's program.
    #[arg(long)]
    gateway: PathBuf,
    /// How long they work.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many principals; each works as a client of each era at once.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..=90))]
    principals: u32,
}

/// The eras of MCP, of a client or of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Modern,
    Legacy,
}

fn main() -> anyhow::Result<()> {
    if std::env::args().any(|argument| argument == "--bench") {
        // `cargo bench` starts every bench target; this one is a test, and its script knows what it needs.
        eprintln!("isolation: not a bench, run tests/isolation/run");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(Options::parse()))
}

async fn run(options: Options) -> anyhow::Result<()> {
    let people: Rc<[Person]> = (0..options.principals).map(Person::new).collect();
    let tally = Rc::new(Tally::default());
    let modern = Shelf::serve(Era::Modern, &people, &tally).await?;
    let legacy = Shelf::serve(Era::Legacy, &people, &tally).await?;
    let gateway = Gateway::start(&options.gateway, &people::configuration(&people, &modern, &legacy)).await?;
    let ends = clock::now() + Duration::from_secs(options.seconds);
    let mut visits = Vec::new();
    for person in 0..people.len() {
        for era in [Era::Modern, Era::Legacy] {
            let visitor = Visitor::new(person, era, people.clone(), gateway.address(), tally.clone());
            visits.push(tokio::task::spawn_local(visitor.work_until(ends)));
        }
    }
    for visit in visits {
        visit.await?;
    }
    gateway.stop().await?;
    tally.report(people.len(), options.seconds)
}
