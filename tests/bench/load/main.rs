//! `load`: the two ends of every benchmark, a fake MCP upstream and a load generator, in one binary.
//!
//! Both speak HTTP/1.1 by hand over tokio so that neither shares a line of code with the gateway, and so that
//! neither is the bottleneck. Deliberately not a conformance client: it sends only what it can check word for word.
//! `tests/bench/run` drives it; see `tests/bench/README.md`.
#![forbid(unsafe_code)]

mod answer;
mod clock;
mod drive;
mod expect;
mod histogram;
mod http1;
mod issuer;
mod process;
mod report;
mod start;
mod stdio;
mod tools;
mod upstream;

use clap::{Parser, Subcommand};

/// The two ends of every benchmark: a fake MCP upstream and a load generator.
#[derive(Parser)]
#[command(name = "load")]
struct Arguments {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Serve the fake upstream over HTTP on one path, both eras.
    Upstream(upstream::Options),
    /// Serve the fake upstream over stdin and stdout.
    Stdio(answer::Options),
    /// Serve a fake identity provider and print tokens of it.
    Issuer(issuer::Options),
    /// Send calls, check every answer, report latency and the gateway's CPU.
    Drive(drive::Options),
    /// Start a command and measure the time until it answers `tools/list`.
    Start(start::Options),
}

fn main() -> anyhow::Result<()> {
    if std::env::args().any(|argument| argument == "--bench") {
        // `cargo bench` starts every bench target; this one is a tool, and its series is a program of its own.
        eprintln!("load: not a bench by itself, run tests/bench/run");
        return Ok(());
    }
    // Latency is counted from the intended send time: the kernel's default 50 us of timer slack would be ours, not the
    // gateway's. Best effort, because some sandboxes refuse the write.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    match Arguments::parse().mode {
        Mode::Upstream(options) => local.block_on(&runtime, upstream::serve(options)),
        Mode::Stdio(options) => stdio::serve(&options),
        Mode::Issuer(options) => local.block_on(&runtime, issuer::serve(options)),
        Mode::Drive(options) => local.block_on(&runtime, drive::run(options)),
        Mode::Start(options) => start::run(&options),
    }
}
