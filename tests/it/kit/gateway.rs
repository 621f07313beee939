//! The gateway itself: the real program, on ports of its own choice, with a configuration file of its own.

use std::{
    ffi::OsString,
    fs,
    path::PathBuf,
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{Answer, Client, marks, request, soon, until, upstream::Upstream};

static STARTED: AtomicUsize = AtomicUsize::new(0);

/// A configuration with these servers at `/mcp`, their names bare.
pub(crate) fn config(servers: &[(&str, &Upstream)]) -> Value {
    let entries: serde_json::Map<_, _> =
        servers.iter().map(|(name, upstream)| ((*name).to_owned(), upstream.entry())).collect();
    json!({
        "listen": "127.0.0.1:0",
        "admin": { "listen": "127.0.0.1:0" },
        "log": { "format": "json", "level": "debug" },
        "mcpServers": entries,
        "endpoints": { "/mcp": { "servers": ["*"], "names": "bare" } },
    })
}

/// A running gateway. Dropped, it is killed.
pub(crate) struct Gateway {
    process: Child,
    folder: TempDir,
    mark: String,
    /// Where clients connect.
    pub(crate) address: String,
    /// Where health and metrics are.
    pub(crate) admin: String,
}

impl Gateway {
    /// Starts the program and waits until clients can connect.
    pub(crate) async fn start(config: Value) -> Self {
        let mark = format!("{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        Self::start_as(config, mark).await
    }

    /// Stops, and starts another one in its place: its servers are the same to it.
    pub(crate) async fn again(self, config: Value) -> Self {
        let mark = self.mark.clone();
        self.stop().await;
        Self::start_as(config, mark).await
    }

    async fn start_as(config: Value, mark: String) -> Self {
        let folder = TempDir::new().unwrap();
        write(&folder, &mark, config);
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut process = Command::new(program())
            .arg("run")
            .arg(file(&folder))
            .env(marks::VARIABLE, &mark)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = soon("the gateway is ready", lines.next_line())
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("the gateway ended: {}", fs::read_to_string(folder.path().join("log")).unwrap()));
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let host = |url: &Value| url.as_str().unwrap_or("").split('/').nth(2).unwrap_or("").to_owned();
        let (address, admin) = (host(&ready["endpoints"][0]), host(&ready["admin"]));
        Self { process, folder, mark, address, admin }
    }

    /// Starts it in front of one server called `up`.
    pub(crate) async fn over(upstream: &Upstream) -> Self {
        Self::start(config(&[("up", upstream)])).await
    }

    /// Writes another configuration into its file.
    pub(crate) fn rewrite(&self, config: Value) {
        write(&self.folder, &self.mark, config);
    }

    /// Writes something into its file that may be no configuration at all.
    pub(crate) fn rewrite_raw(&self, text: &str) {
        fs::write(file(&self.folder), text).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.try_into().unwrap())).expect("it runs");
        kill_process(pid, signal).unwrap();
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// Sends a signal to each process below it whose command line has these words, guards apart.
    pub(crate) fn signal_children(&self, words: &str, signal: Signal) {
        for process in
            self.processes().into_iter().filter(|process| process.contains(words) && !process.contains("guard"))
        {
            // Its id stands first, in quotes.
            let id = process.split('"').nth(1).and_then(|id| Pid::from_raw(id.parse().ok()?)).expect("an id");
            kill_process(id, signal).unwrap();
        }
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id().expect("it runs"))).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id().expect("it runs"))).unwrap().count()
    }

    /// The exit code, when it has ended.
    pub(crate) async fn exited(&mut self) -> Option<i32> {
        soon("the gateway ends", self.process.wait()).await.unwrap().code()
    }

    /// Tells it to stop; it does so in order and leaves no process behind.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.exited().await, Some(0), "{}", self.log());
        self.leaves_nothing().await;
    }

    /// No process of it is left.
    pub(crate) async fn leaves_nothing(&self) {
        until("no process is left", || marks::processes(&self.mark).is_empty()).await;
    }

    /// Its own process and those that it started.
    pub(crate) fn processes(&self) -> Vec<String> {
        marks::processes(&self.mark)
    }

    /// Sends bytes over a connection of their own.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Answer {
        Client::exchange(&self.address, bytes).await
    }

    /// What an operator's command sends to the admin listener.
    pub(crate) async fn operator(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let headers = [("x-myelin-admin", "1"), ("content-type", "application/json")];
        let answer = Client::exchange(&self.admin, &request(method, path, &headers, body.as_bytes())).await;
        (answer.status, answer.text().await)
    }

    /// GET on the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        let answer = Client::exchange(&self.admin, &request("GET", path, &[], b"")).await;
        (answer.status, answer.text().await)
    }
}

impl Gateway {
    /// Waits until a metric has a value.
    pub(crate) async fn metric(&self, name: &str, value: &str) {
        let wanted = format!("{name} {value}");
        let reached = async {
            while !self.admin("/metrics").await.1.lines().any(|line| line == wanted) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        soon(&wanted, reached).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- the gateway's log\n{}",
                fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
        }
    }
}

/// The program that was built with the tests, unless a figure is wanted of another one.
fn program() -> OsString {
    std::env::var_os("MYELIN_MEASURED").unwrap_or_else(|| env!("CARGO_BIN_EXE_myelin").into())
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("myelin.json")
}

/// Written beside and renamed: the gateway never sees half of it.
fn write(folder: &TempDir, mark: &str, mut config: Value) {
    for (_, server) in config["mcpServers"].as_object_mut().into_iter().flatten() {
        if server.get("command").is_some() {
            server["env"][marks::VARIABLE] = mark.into();
        }
    }
    let beside = folder.path().join("next.json");
    fs::write(&beside, config.to_string()).unwrap();
    fs::rename(beside, file(folder)).unwrap();
}
