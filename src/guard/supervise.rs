//! The guard on Linux: start, adopt, wait, kill.
//!
//! Signals can be caught without unsafe code only through tokio, so this runs on a runtime of one thread that is made for it:
//! 0.1 ms and no thread more than a bare poll(2) would need.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    future::pending,
    io::{self, ErrorKind},
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    process::{Command, ExitCode},
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, WaitStatus, getpid, set_child_subreaper},
};
use tokio::{
    io::Interest,
    net::unix::pipe,
    runtime,
    signal::unix::{self, SignalKind},
    time::{sleep, timeout},
};

use super::{
    orders::orders,
    sandbox::{Places, PlacesFault, Sandbox},
    tree::signal_descendants,
};

/// How long descendants may take to end after SIGTERM, the same as the gateway's own default.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// The same when the gateway was killed: nobody waits for them, and nothing of it is to be left soon.
const ORPHAN_GRACE: Duration = Duration::from_secs(1);
/// How long to go on killing: only a process that forks faster than it is killed, or that hangs in the kernel, needs any of it.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Between two rounds of killing.
const KILL_ROUND: Duration = Duration::from_millis(2);

/// Runs the command in `arguments` until it ends, the gateway is gone, or SIGTERM, SIGINT or SIGHUP says so; then no descendant is left.
///
/// Returns the command's status, 128 plus the signal when one ended it; 126 or 127 when it could not be started, as shells do, and 126
/// when there is no sandbox for it.
pub fn run(arguments: &[OsString]) -> ExitCode {
    let (sandbox, command) = orders(arguments);
    let Some((program, arguments)) = command.split_first() else {
        eprintln!("myelin guard: no command");
        return ExitCode::from(2);
    };
    match sandbox.map(|text| Sandboxed::new(text, program, arguments)).transpose() {
        Ok(Some(sandboxed)) => {
            let code = supervise(program, sandboxed.command);
            sandboxed.places.remove();
            code
        }
        Ok(None) => {
            let mut command = Command::new(program);
            command.args(arguments);
            supervise(program, command)
        }
        Err(fault) => {
            eprintln!("myelin sandbox: {fault}");
            ExitCode::from(126)
        }
    }
}

/// What starts a command in a sandbox: this program once more, which restricts itself first.
struct Sandboxed {
    command: Command,
    places: Places,
}

impl Sandboxed {
    fn new(text: &OsStr, program: &OsStr, arguments: &[OsString]) -> Result<Self, PlacesFault> {
        let sandbox: Sandbox = serde_json::from_slice(text.as_bytes()).map_err(io::Error::from)?;
        let places = Places::make(&sandbox)?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("myelin").arg("confine").arg(text);
        command.arg(serde_json::to_string(&places).map_err(io::Error::from)?).arg(program).args(arguments);
        if let Some(folder) = places.temporary() {
            command.env("TMPDIR", folder);
        }
        Ok(Self { command, places })
    }
}

fn supervise(program: &OsStr, command: Command) -> ExitCode {
    let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build();
    match runtime.and_then(|runtime| runtime.block_on(guard(command))) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("myelin guard: cannot start {}: {fault}", program.display());
            ExitCode::from(if fault.kind() == ErrorKind::PermissionDenied { 126 } else { 127 })
        }
    }
}

async fn guard(mut command: Command) -> io::Result<ExitCode> {
    // Tools that kill by name shall tell guards from the gateway.
    let _ = rustix::thread::set_name(c"myelin-guard");
    set_child_subreaper(Some(getpid()))?;
    // Before the start: afterwards a signal must not end the guard alone.
    let mut orders = Orders::watch()?;
    let mut ended = unix::signal(SignalKind::child())?;
    let child = Pid::from_child(&command.spawn()?);
    // The gateway must see a broken pipe when the command has closed its stdin. Stdout stays: it shows that the gateway lives.
    let _ = File::open("/dev/null").map(rustix::stdio::dup2_stdin);
    let mut status = None;
    loop {
        tokio::select! {
            _ = ended.recv() => {
                reap(child, &mut status);
                if status.is_some() {
                    break;
                }
            }
            grace = orders.end() => {
                signal_descendants(getpid(), Signal::TERM);
                let _ = timeout(grace, reap_all(child, &mut status, &mut ended)).await;
                break;
            }
        }
    }
    let _ = timeout(KILL_LIMIT, kill_all(child, &mut status)).await;
    Ok(exit_code(status))
}

/// Everything that tells the guard to end.
struct Orders {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hang_up: unix::Signal,
    /// Stdout, when it is something that can be watched (a pipe; not a file).
    gateway: Option<pipe::Receiver>,
}

impl Orders {
    fn watch() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hang_up: unix::signal(SignalKind::hangup())?,
            gateway: watch_stdout().ok(),
        })
    }

    /// Ready when the guard is to end: how long what is below it may take.
    async fn end(&mut self) -> Duration {
        tokio::select! {
            _ = self.terminate.recv() => TERM_GRACE,
            _ = self.interrupt.recv() => TERM_GRACE,
            _ = self.hang_up.recv() => TERM_GRACE,
            () = gone(self.gateway.as_ref()) => ORPHAN_GRACE,
        }
    }
}

/// Stdout, to watch for its end and nothing else. As a receiver although it is the end to write to, so that room in the pipe does
/// not wake the guard; unchecked, because the checked way makes it non-blocking, for the command as well.
fn watch_stdout() -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd_unchecked(io::stdout().as_fd().try_clone_to_owned()?)
}

/// Waits until nobody can read what is written to stdout.
async fn gone(gateway: Option<&pipe::Receiver>) {
    let Some(stdout) = gateway else { return pending().await };
    while let Ok(seen) = stdout.ready(Interest::ERROR).await {
        if seen.is_error() {
            return;
        }
    }
}

/// Whether there is anything left to wait for.
#[derive(PartialEq, Eq)]
enum Left {
    Some,
    Nothing,
}

/// Reaps what has ended, adopted processes included, and keeps the status of `child`.
fn reap(child: Pid, status: &mut Option<WaitStatus>) -> Left {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, ended))) if pid == child => *status = Some(ended),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Left::Some,
            Err(_) => return Left::Nothing,
        }
    }
}

async fn reap_all(child: Pid, status: &mut Option<WaitStatus>, ended: &mut unix::Signal) {
    while reap(child, status) == Left::Some {
        ended.recv().await;
    }
}

/// Kills in rounds: those whose parent was just killed are adopted, and met in the next round at the latest.
async fn kill_all(child: Pid, status: &mut Option<WaitStatus>) {
    while reap(child, status) == Left::Some {
        signal_descendants(getpid(), Signal::KILL);
        if reap(child, status) == Left::Some {
            sleep(KILL_ROUND).await;
        }
    }
}

fn exit_code(status: Option<WaitStatus>) -> ExitCode {
    let killed = 128 + Signal::KILL.as_raw();
    let code = status.map_or(killed, |status| {
        let signal = status.terminating_signal().map(|signal| 128 + signal);
        status.exit_status().or(signal).unwrap_or(killed)
    });
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
