//! What a run found, as text for people and as JSON for `tests/bench/run`.
#![expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a run counts fewer than 2^52 calls and nanoseconds"
)]
use crate::histogram::Histogram;
use crate::process::Cpu;
use serde::Serialize;
use std::time::Duration;

#[derive(Serialize)]
pub(crate) struct Report {
    calls: u64,
    calls_per_second: f64,
    latencies: u64,
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    max_us: f64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// From the scheduler's nanoseconds.
    cpu_us_per_call: Option<f64>,
    /// From clock ticks: a check of the figure above.
    cpu_ticks_us_per_call: Option<f64>,
}

impl Report {
    /// `calls` ended inside the window; a fixed rate may record others that were due in it and ended later.
    pub(crate) fn new(latencies: &Histogram, calls: u64, window: Duration) -> Self {
        let quantile = |share| latencies.quantile_ns(share) as f64 / 1000.0;
        Self {
            calls,
            calls_per_second: calls as f64 / window.as_secs_f64(),
            latencies: latencies.count(),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            max_us: latencies.max_ns() as f64 / 1000.0,
            errors: 0,
            first_error: None,
            cpu_us_per_call: None,
            cpu_ticks_us_per_call: None,
        }
    }

    /// Adds the CPU time of the watched processes between two readings.
    pub(crate) fn charge(&mut self, before: Cpu, after: Cpu, calls: u64) {
        let per_call = |from: u64, to: u64| (calls > 0).then(|| to.saturating_sub(from) as f64 / 1000.0 / calls as f64);
        self.cpu_us_per_call = per_call(before.scheduler_ns, after.scheduler_ns);
        self.cpu_ticks_us_per_call = per_call(before.ticks_ns, after.ticks_ns);
    }

    #[expect(clippy::print_stdout, reason = "the report is what the command prints")]
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        println!("calls      {} ({:.0}/s), {} errors", self.calls, self.calls_per_second, self.errors);
        println!(
            "latency us p50 {:.1}  p90 {:.1}  p99 {:.1}  max {:.1}",
            self.p50_us, self.p90_us, self.p99_us, self.max_us
        );
        if let (Some(scheduler), Some(ticks)) = (self.cpu_us_per_call, self.cpu_ticks_us_per_call) {
            println!("CPU        {scheduler:.2} us per call ({ticks:.2} by clock ticks)");
        }
        if let Some(error) = &self.first_error {
            println!("error      {error}");
        }
        Ok(())
    }
}
