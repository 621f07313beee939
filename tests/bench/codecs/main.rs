//! `codecs`: what the pure parts of a call cost, counted in instructions, so that a noisy machine gives the same answer.
//!
//! Each case runs in a child of this program under `valgrind --tool=callgrind`, once a few and once many times; the
//! difference over the difference in repetitions is the cost of one. That needs no symbols, so it measures the very
//! binary that the release profile makes, and set-up and warm-up cancel out. Without valgrind only wall time is given.
//! Cases are the table in `cases.rs`. Usage: `cargo bench --bench codecs -- [WORD ...] [--json]`.
#![forbid(unsafe_code)]

mod cases;

use anyhow::{Context, ensure};
use cases::{Case, cases};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Native time of the many repetitions: long against what set-up varies by (entropy is gathered in a varying loop).
const MANY: Duration = Duration::from_millis(20);
const FEWEST: u64 = 20;
/// Wall time is the best of this many batches: the shortest is the least disturbed.
const BATCHES: u32 = 20;
const BATCH: Duration = Duration::from_millis(5);
/// How this program tells its child under valgrind what to run: `repeat CASE TIMES`.
const REPEAT: &str = "repeat";

struct Measured {
    name: &'static str,
    bytes: usize,
    instructions: Option<u64>,
    nanoseconds: f64,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, name, times] = arguments.as_slice()
        && mode == REPEAT
    {
        let mut case = cases().find(|case| case.name == name).context("no such case")?;
        repeat(&mut case, times.parse()?);
        return Ok(());
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    let has_valgrind = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok();
    let mut measured = Vec::new();
    for mut case in cases().filter(|case| words.is_empty() || words.iter().any(|word| case.name.contains(word))) {
        let nanoseconds = nanoseconds_of_one(&mut case);
        let instructions = if has_valgrind { Some(instructions_of_one(case.name, nanoseconds)?) } else { None };
        measured.push(Measured { name: case.name, bytes: case.bytes, instructions, nanoseconds });
    }
    if arguments.iter().any(|argument| argument == "--json") {
        print_json(&measured);
    } else {
        print_table(&measured);
    }
    Ok(())
}

fn repeat(case: &mut Case, times: u64) {
    for _ in 0..times {
        (case.run)();
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "an estimate of how often to repeat"
)]
fn instructions_of_one(name: &str, nanoseconds: f64) -> anyhow::Result<u64> {
    let more = (MANY.as_nanos() as f64 / nanoseconds) as u64 + FEWEST;
    let (few, many) = (instructions(name, FEWEST)?, instructions(name, FEWEST + more)?);
    Ok(many.saturating_sub(few) / more)
}

/// The instructions of a whole child, from callgrind's `Collected : N`.
fn instructions(name: &str, times: u64) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([REPEAT, name, &times.to_string()])
        .output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} under valgrind: {log}");
    let line = log.lines().find_map(|line| line.split_once("Collected :")).context("callgrind printed no count")?;
    line.1.trim().parse().context("callgrind's count")
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a batch repeats less than 2^52 times")]
#[expect(clippy::disallowed_methods, reason = "a bench takes the time of the code, the gateway's clock is part of it")]
fn nanoseconds_of_one(case: &mut Case) -> f64 {
    let mut times = 1;
    let mut best = f64::INFINITY;
    let mut batches = 0;
    while batches < BATCHES {
        let begun = Instant::now();
        repeat(case, times);
        let elapsed = begun.elapsed();
        if elapsed < BATCH {
            times *= 2;
            continue;
        }
        best = best.min(elapsed.as_secs_f64() * 1e9 / times as f64);
        batches += 1;
    }
    best
}

#[expect(clippy::print_stdout, reason = "the table is what the command prints")]
fn print_table(measured: &[Measured]) {
    println!("{:<44} {:>8} {:>13} {:>11}", "case", "bytes", "instructions", "ns (best)");
    for row in measured {
        let instructions = row.instructions.map_or_else(|| "no valgrind".to_owned(), |count| count.to_string());
        println!("{:<44} {:>8} {:>13} {:>11.0}", row.name, row.bytes, instructions, row.nanoseconds);
    }
}

#[expect(clippy::print_stdout, reason = "the rows are what the command prints")]
fn print_json(measured: &[Measured]) {
    let rows: Vec<_> = measured
        .iter()
        .map(|row| {
            serde_json::json!({
                "case": row.name, "bytes": row.bytes, "instructions": row.instructions, "nanoseconds": row.nanoseconds,
            })
        })
        .collect();
    println!("{}", serde_json::Value::from(rows));
}
