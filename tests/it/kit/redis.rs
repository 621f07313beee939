//! A real Redis, on a port of its own and in a folder of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
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
    tls: Option<Tls>,
}

/// A certificate of its own, signed by itself.
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    fn new(folder: &TempDir) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let this = Self { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        fs::write(&this.certificate, made.cert.pem()).unwrap();
        fs::write(&this.key, made.signing_key.serialize_pem()).unwrap();
        this
    }
}

impl Redis {
    /// Starts one and waits until it can be reached.
    pub(crate) async fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), None).await
    }

    /// The same over TLS alone.
    pub(crate) async fn start_with_tls() -> Self {
        let folder = TempDir::new().unwrap();
        let tls = Tls::new(&folder);
        Self::start_in(folder, Some(tls)).await
    }

    async fn start_in(folder: TempDir, tls: Option<Tls>) -> Self {
        // Redis takes no port of its own choice: the kernel's is free a moment later as well.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = spawn(&folder, address, tls.as_ref());
        let this = Self { process, folder, address, tls };
        this.is_up().await;
        this
    }

    async fn is_up(&self) {
        until("redis can be reached", || TcpStream::connect(self.address).is_ok()).await;
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{}", self.address)
    }

    /// The file with the authority of its certificate.
    pub(crate) fn ca(&self) -> &Path {
        &self.tls.as_ref().expect("it speaks TLS").certificate
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
        self.process = spawn(&self.folder, self.address, self.tls.as_ref());
        self.is_up().await;
    }
}

fn spawn(folder: &TempDir, address: SocketAddr, tls: Option<&Tls>) -> Child {
    let mut command = Command::new("redis-server");
    let port = address.port().to_string();
    match tls {
        None => command.args(["--port", &port]),
        Some(Tls { certificate, key }) => command
            .args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no", "--tls-cert-file"])
            .arg(certificate)
            .arg("--tls-key-file")
            .arg(key),
    };
    let started = command
        .args(["--bind", "127.0.0.1", "--save", ""])
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
