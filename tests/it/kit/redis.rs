//! A real Redis, on a port of its own and in a folder of its own.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{soon, until};

/// A running Redis, which writes each change to its file before it answers. Dropped, it is killed.
pub(crate) struct Redis {
    process: Child,
    folder: TempDir,
    address: SocketAddr,
}

impl Redis {
    /// Starts one and waits until it can be reached.
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        // Redis takes no port of its own choice: the kernel's is free a moment later as well.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = spawn(&folder, address);
        let this = Self { process, folder, address };
        this.is_up().await;
        this
    }

    async fn is_up(&self) {
        until("redis can be reached", || TcpStream::connect(self.address).is_ok()).await;
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Stops it where it stands, or lets it go on.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.try_into().unwrap())).expect("it runs");
        kill_process(pid, signal).unwrap();
    }

    /// Ends it without a word.
    pub(crate) async fn kill(&mut self) {
        self.process.start_kill().unwrap();
        soon("redis ends", self.process.wait()).await.unwrap();
    }

    /// Starts it again, with what it wrote.
    pub(crate) async fn start_again(&mut self) {
        self.process = spawn(&self.folder, self.address);
        self.is_up().await;
    }
}

fn spawn(folder: &TempDir, address: SocketAddr) -> Child {
    let started = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"])
        .arg("--dir")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    started.expect("redis-server is installed: tests/run does that")
}
