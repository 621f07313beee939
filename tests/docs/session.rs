//! Runs the commands of a document as a reader would: in order, against the program, in a folder of their own.
//!
//! A block that begins with ```` ```yaml NAME ```` becomes the file NAME. In blocks of `sh`, a gateway is started, stays for the
//! commands after it and is stopped with SIGTERM; every other command must succeed. Ports are free ones, and the servers of the files
//! are the built-in ones, so that nothing is downloaded and nothing else on the machine is met.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;

use super::markdown::Fence;

const MYELIN: &str = env!("CARGO_BIN_EXE_myelin");

/// What a client's file stands for in a document: any servers.
const CLIENT_FILE: &str = r#"{"mcpServers":{"search":{"command":"myelin","args":["demo","search"]}}}"#;

/// The same where it is served, on ports that are free.
const SERVED_FILE: &str = r#"{"listen":"127.0.0.1:0","admin":{"listen":"127.0.0.1:0"},"mcpServers":{"search":{"command":"myelin","args":["demo","search"]}}}"#;

/// Runs all blocks.
pub(crate) fn run(fences: &[Fence]) {
    let mut reader = Reader::new();
    for fence in fences {
        if let Some(file) = &fence.file {
            reader.write(file, &fence.text);
        }
        if fence.language == "sh" {
            fence.text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| reader.follow(line));
        }
    }
    reader.stop();
}

/// What a gateway counted after somebody listed its tools.
pub(crate) fn metrics_after_a_call() -> String {
    let mut reader = Reader::new();
    reader.write("a.yaml", "listen: 127.0.0.1:8808\nmcpServers: { search: { command: myelin, args: [demo, search] } }");
    reader.follow("myelin run a.yaml");
    reader.follow("myelin tools");
    let metrics = reader.gateway.as_ref().map(Gateway::metrics).unwrap_or_default();
    reader.stop();
    metrics
}

/// Somebody who follows a document.
struct Reader {
    folder: TempDir,
    gateway: Option<Gateway>,
}

struct Gateway {
    process: Child,
    endpoint: String,
    admin: String,
}

impl Reader {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(MYELIN, folder.path().join("bin/myelin")).unwrap();
        let reader = Self { folder, gateway: None };
        reader.write(".mcp.json", CLIENT_FILE);
        reader
    }

    /// A file of the document, listening where nobody else does.
    fn write(&self, name: &str, text: &str) {
        let text = match name.rsplit_once('.') {
            Some((_, "yaml")) => format!("{}\nadmin: {{ listen: 127.0.0.1:0 }}\n", text.replace(":8808", ":0")),
            _ => text.to_owned(),
        };
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn follow(&mut self, line: &str) {
        let line = line.split_once(" #").map_or(line, |(command, _)| command).trim();
        let line = line.replace("cargo run --release", "myelin");
        let is_gateway = line == "myelin" || line.starts_with("myelin run");
        // The test command is what runs this test.
        if line == "./tests/run" {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run").is_file());
        } else if is_gateway {
            self.stop();
            self.write(".mcp.json", SERVED_FILE);
            self.gateway = Some(Gateway::start(self.shell(&line)));
            self.write(".mcp.json", CLIENT_FILE);
        } else {
            self.succeed(&line);
        }
    }

    fn succeed(&self, line: &str) {
        let line = match &self.gateway {
            Some(gateway) => gateway.addressed(line),
            None => line.to_owned(),
        };
        let output = self.shell(&line).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{line}` ended with {}:\n{said}", output.status);
    }

    fn shell(&self, line: &str) -> Command {
        let path = format!("{}/bin:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {line}")]).current_dir(self.folder.path()).env("PATH", path);
        command
    }

    fn stop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop();
        }
    }
}

impl Gateway {
    fn start(mut command: Command) -> Self {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        let ready: Json = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{command:?} is not ready: {said:?}"));
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        Self { process, endpoint: text(&ready["endpoints"][0]), admin: text(&ready["admin"]) }
    }

    /// The command with the addresses that this gateway has.
    fn addressed(&self, line: &str) -> String {
        let line = line
            .replace("http://127.0.0.1:8808/mcp", &self.endpoint)
            .replace("http://127.0.0.1:8809", self.admin.trim_end_matches('/'));
        let asks_the_gateway =
            (line.starts_with("myelin tools") || line.starts_with("myelin call")) && !line.contains("--config");
        if asks_the_gateway { format!("{line} --url {}", self.endpoint) } else { line }
    }

    fn metrics(&self) -> String {
        let address = self.admin.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).unwrap();
        write!(connection, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "the gateway ended with {status}");
    }
}
