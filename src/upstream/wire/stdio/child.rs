//! A child process as the rest of the gateway sees it.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt,
    future::pending,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::unix::pipe,
    runtime::Handle,
    signal::unix::{SignalKind, signal},
    sync::{Notify, OwnedSemaphorePermit, watch},
    time::timeout,
};

use super::{
    environment::{Inherited, environment},
    launch::Launch,
    lines::Lines,
    locate::{StartFault, locate},
    outbox::{Outbox, Pace, SendFault},
    process::{Guarding, Pipes, Process},
    seat::Seat,
    stderr::{self, Stderr},
    supervisor::{KILL_GRACE, Supervisor},
};
use crate::{
    guard::{
        SANDBOX,
        sandbox::{Kernel, Lack, Sandbox},
    },
    upstream::settings::StdioSettings,
};

/// A running child process: a handle to feed and to stop it.
///
/// Clones are handles to the same process. When the last one is dropped the process is stopped as by [`Child::stop`], in the
/// background; when the runtime ends or the gateway is killed, the guard stops it.
#[derive(Clone)]
pub struct Child(Arc<Inner>);

struct Inner {
    process: Arc<Process>,
    outbox: Arc<Outbox>,
    stderr: Arc<Stderr>,
    stop: Arc<Notify>,
    seat: Arc<Seat>,
    status: watch::Receiver<Option<ExitStatus>>,
    /// The most a stop can take.
    longest_stop: Duration,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("pid", &self.pid())
            .field("status", &*self.0.status.borrow())
            .finish_non_exhaustive()
    }
}

impl Child {
    /// Starts the command of `settings`; `server` names it in the log. Needs a runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// [`StartFault::NotFound`], [`StartFault::NotExecutable`], [`StartFault::Cwd`] and [`StartFault::Sandbox`] before anything is started;
    /// [`StartFault::Spawn`] when the system refuses. A script whose interpreter is missing starts, and ends at once with 127.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves no process behind: one that was started meanwhile is stopped.
    pub async fn start(
        settings: &StdioSettings,
        launch: &Launch,
        server: &Arc<str>,
    ) -> Result<(Self, Lines), StartFault> {
        let (settings, launch, server) = (settings.clone(), launch.clone(), Arc::clone(server));
        let runtime = Handle::current();
        // Looking up and starting may wait for a slow disk.
        let start = move || Self::start_blocking(&settings, &launch, server, &runtime);
        tokio::task::spawn_blocking(start).await.map_err(io::Error::other)?
    }

    fn start_blocking(
        settings: &StdioSettings,
        launch: &Launch,
        server: Arc<str>,
        runtime: &Handle,
    ) -> Result<(Self, Lines), StartFault> {
        let sandbox = settings.sandbox.as_deref();
        let variables = environment(env::vars_os(), Inherited::by(sandbox), &settings.env);
        let path = variables.get(OsStr::new("PATH")).map(OsString::as_os_str);
        locate(&settings.command, path, settings.cwd.as_deref())?;
        let sandbox = sandbox.map(|sandbox| confinement(sandbox, launch)).transpose()?;
        let ended = signal(SignalKind::child())?;
        let (mut command, guarding) = command(settings, launch, sandbox.as_deref(), &variables);
        let (process, pipes) = Process::start(&mut command, guarding)?;
        let process = Arc::new(process);
        let (stdin, stdout, stderr) = open(pipes).inspect_err(|_| {
            process.kill_group();
        })?;
        let outbox = Arc::new(Outbox::new(stdin, launch.queue));
        let (kept, pid) = (Arc::clone(&launch.stderr), process.pid().as_raw_nonzero().get());
        let (stop, seat) = (Arc::new(Notify::new()), Arc::<Seat>::default());
        let (status, status_seen) = watch::channel(None);
        let draining = Arc::clone(&outbox);
        let supervisor = Supervisor {
            process: Arc::clone(&process),
            ended,
            outbox: Arc::clone(&outbox),
            writer: runtime.spawn(async move { draining.drain().await }),
            stderr: runtime.spawn(stderr::keep(stderr, kept, pid, server)),
            stop: Arc::clone(&stop),
            seat: Arc::clone(&seat),
            graces: launch.graces,
            status,
        };
        runtime.spawn(supervisor.run());
        let longest_stop = launch.graces.eof + launch.graces.term + 3 * KILL_GRACE;
        let inner = Inner {
            process,
            outbox,
            stderr: Arc::clone(&launch.stderr),
            stop,
            seat,
            status: status_seen,
            longest_stop,
        };
        Ok((Self(Arc::new(inner)), Lines::new(stdout, launch.max_message_bytes)))
    }

    /// Takes one message (JSON without a raw line feed) to be written as a line. Never waits. Messages are written in the order
    /// in which they are taken.
    ///
    /// # Errors
    ///
    /// [`SendFault::Full`]: the limits of the queue are reached, and the message was not taken. [`SendFault::Gone`]: the child
    /// does not read any more. A message that was taken may still be lost with the child.
    pub fn send(&self, message: Bytes) -> Result<(), SendFault> {
        self.send_marked(message, None, Pace::AtOnce)
    }

    /// The same at this pace, with a number by which [`Child::give_up`] tells whether it was written.
    ///
    /// # Errors
    ///
    /// As of [`Child::send`].
    pub fn send_marked(&self, message: Bytes, mark: Option<u64>, pace: Pace) -> Result<(), SendFault> {
        debug_assert!(!message.contains(&b'\n'), "a line feed would make two messages of one");
        self.0.outbox.send(message, mark, pace)
    }

    /// Writes nothing more, and closes stdin. The marks of the messages of which not one byte was written.
    pub fn give_up(&self) -> Vec<u64> {
        self.0.outbox.give_up()
    }

    /// Stops the process and all it started: what was taken is still written and stdin closed, then SIGTERM, then SIGKILL, each
    /// after its grace. Returns when it is reaped, at once when it was already; None when even SIGKILL did not end it in time
    /// (it hangs in the kernel, and is reaped when it does end). Any number of tasks may call it.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the stop goes on in the background.
    pub async fn stop(&self) -> Option<ExitStatus> {
        self.0.stop.notify_one();
        timeout(self.0.longest_stop, self.exited()).await.ok()
    }

    /// It holds this place until it and all it started have ended, instead of the one that it held.
    pub fn hold(&self, place: Option<OwnedSemaphorePermit>) {
        self.0.seat.hold(place);
    }

    /// The place that it holds, from now on whoever's asks; none once it has ended.
    pub fn take_place(&self) -> Option<OwnedSemaphorePermit> {
        self.0.seat.take()
    }

    /// Waits for the end of the process, for whatever reason: its exit status, 128 plus the signal when one ended it and a guard
    /// reports it. All it started is gone by then, and [`Child::stderr_tail`] complete.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it loses nothing; it may be called again.
    pub fn exited(&self) -> impl Future<Output = ExitStatus> + Send + use<> {
        let mut status = self.0.status.clone();
        async move {
            if let Ok(status) = status.wait_for(Option::is_some).await
                && let Some(status) = *status
            {
                return status;
            }
            // The supervisor is gone without a word: the runtime ends, and whoever waits here with it.
            pending().await
        }
    }

    /// The process id: that of the guard, which the command's is a child of, or of the command when there is no guard.
    pub fn pid(&self) -> i32 {
        self.0.process.pid().as_raw_nonzero().get()
    }

    /// The last lines that it wrote to stderr, the oldest first, without control characters.
    pub fn stderr_tail(&self) -> Vec<String> {
        const LINES: usize = 64;
        self.0.stderr.of(self.pid(), LINES).iter().map(|line| line.text.to_string()).collect()
    }

    /// The very last of them, in one.
    pub fn last_words(&self) -> String {
        const LINES: usize = 3;
        let lines = self.stderr_tail();
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join(" | ")
    }

    /// Whether it may still answer: it has not ended, and reads what it is sent.
    pub fn is_alive(&self) -> bool {
        self.0.status.borrow().is_none() && !self.0.outbox.is_closed()
    }

    /// Ready when it reads nothing any more, whoever closed its stdin.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it loses nothing.
    pub async fn is_deaf(&self) {
        self.0.outbox.closed().await;
    }
}

/// What the guard is told of a sandbox, when this machine can give it and there is a guard to do so.
fn confinement(sandbox: &Sandbox, launch: &Launch) -> Result<String, StartFault> {
    let lacks = match &launch.guard {
        Some(_) => Kernel::look().lacks(sandbox),
        None => vec![Lack::Linux],
    };
    if !lacks.is_empty() {
        return Err(StartFault::Sandbox(lacks));
    }
    Ok(serde_json::to_string(sandbox).map_err(io::Error::from)?)
}

/// What to run: the command itself, or the guard above it.
fn command(
    settings: &StdioSettings,
    launch: &Launch,
    sandbox: Option<&str>,
    variables: &BTreeMap<OsString, OsString>,
) -> (Command, Guarding) {
    let (mut command, guarding) = match &launch.guard {
        Some(guard) => {
            let mut command = Command::new(guard);
            command.arg0("myelin").arg("guard");
            command.args(sandbox.into_iter().flat_map(|sandbox| [SANDBOX, sandbox]));
            command.args(["--", &settings.command]);
            (command, Guarding::Guarded)
        }
        None => (Command::new(&settings.command), Guarding::Plain),
    };
    command.args(&settings.args).env_clear().envs(variables);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(cwd) = &settings.cwd {
        command.current_dir(cwd);
    }
    (command, guarding)
}

/// Hands the pipes to the runtime.
fn open(pipes: Pipes) -> io::Result<(pipe::Sender, pipe::Receiver, pipe::Receiver)> {
    let fd = |end: Option<OwnedFd>| end.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe));
    let stdin = pipe::Sender::from_owned_fd(fd(pipes.stdin.map(OwnedFd::from))?)?;
    let stdout = pipe::Receiver::from_owned_fd(fd(pipes.stdout.map(OwnedFd::from))?)?;
    let stderr = pipe::Receiver::from_owned_fd(fd(pipes.stderr.map(OwnedFd::from))?)?;
    Ok((stdin, stdout, stderr))
}
