//! The CPU time of other processes, from procfs.
//!
//! `schedstat` counts nanoseconds but forgets threads that have ended; `stat` remembers them but counts clock ticks of
//! 10 ms. Both are read, so that a report can show when they disagree.
use anyhow::Context;

/// `USER_HZ`: fixed at 100 in the Linux ABI for every architecture that matters here.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

#[derive(Clone, Copy, Default)]
pub(crate) struct Cpu {
    /// Run time of all living threads, from the scheduler.
    pub(crate) scheduler_ns: u64,
    /// User and system time of the whole process, dead threads included, in ticks.
    pub(crate) ticks_ns: u64,
}

impl Cpu {
    /// Sums the processes named.
    pub(crate) fn of(pids: &[u32]) -> anyhow::Result<Self> {
        let mut total = Self::default();
        for pid in pids {
            total.scheduler_ns += scheduler_ns(*pid)?;
            total.ticks_ns += ticks(*pid)? * NANOSECONDS_PER_TICK;
        }
        Ok(total)
    }
}

fn scheduler_ns(pid: u32) -> anyhow::Result<u64> {
    let mut total = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).context("no such process")? {
        // A thread may end between the listing and the reading.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
        total += text.split(' ').next().unwrap_or_default().parse::<u64>().context("schedstat")?;
    }
    Ok(total)
}

fn ticks(pid: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The command name is in parentheses and may contain spaces: count fields after the last one (proc(5): 14 and 15).
    let (_, fields) = text.rsplit_once(") ").context("stat")?;
    fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().context("stat")).sum()
}
