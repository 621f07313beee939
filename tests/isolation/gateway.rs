//! The gateway as a process, with a configuration file that goes with it.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running gateway. Dropped, it is killed.
pub(crate) struct Gateway {
    process: Child,
    address: String,
    _folder: TempDir,
}

impl Gateway {
    /// Starts the program and waits until clients can connect.
    pub(crate) async fn start(program: &Path, configuration: &Value) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("myelin-")?;
        let file = folder.path().join("myelin.json");
        std::fs::write(&file, configuration.to_string())?;
        let mut command = Command::new(program);
        command.arg("run").arg(&file).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let mut lines = BufReader::new(process.stdout.take().context("its output")?).lines();
        let ready = timeout(PATIENCE, lines.next_line()).await??.context("the gateway ended")?;
        let ready: Value = serde_json::from_str(&ready)?;
        let address = ready["endpoints"][0].as_str().and_then(|url| url.split('/').nth(2)).context("its address")?;
        Ok(Self { process, address: address.to_owned(), _folder: folder })
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends it in order.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self
            .process
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?))
            .context("the gateway ended by itself")?;
        kill_process(pid, Signal::TERM)?;
        let status = timeout(PATIENCE, self.process.wait()).await??;
        ensure!(status.success(), "the gateway ended with {status}");
        Ok(())
    }
}
