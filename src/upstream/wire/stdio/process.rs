//! A started process that is this process' child: signals to it and its status, never to a stranger.
//!
//! An id is used anew only after its process was waited for, so both happen under one lock.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{self, Command, ExitStatus},
    sync::{Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use crate::guard::tree::signal_descendants;

/// Who gets SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guarding {
    /// The guard, which passes it on to every descendant.
    Guarded,
    /// The process group of the command.
    Plain,
}

/// The leader of a process group of its own.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    guarding: Guarding,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Running(process::Child),
    Reaped(ExitStatus),
}

impl Process {
    /// Starts `command` as the leader of a new process group.
    pub(super) fn start(command: &mut Command, guarding: Guarding) -> io::Result<(Self, Pipes)> {
        let mut child = command.process_group(0).spawn()?;
        let pipes = Pipes { stdin: child.stdin.take(), stdout: child.stdout.take(), stderr: child.stderr.take() };
        Ok((Self { pid: Pid::from_child(&child), guarding, state: Mutex::new(State::Running(child)) }, pipes))
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// The status, once the process has ended. What is left of its group is killed before the group's id can be used anew.
    pub(super) fn try_reap(&self) -> io::Result<Option<ExitStatus>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let child = match &mut *state {
            State::Reaped(status) => return Ok(Some(*status)),
            State::Running(child) => child,
        };
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if waitid(WaitId::Pid(self.pid), ended)?.is_none() {
            return Ok(None);
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
        let status = child.wait()?;
        *state = State::Reaped(status);
        Ok(Some(status))
    }

    /// Asks it and all it started to end.
    pub(super) fn terminate(&self) {
        self.while_running(|| match self.guarding {
            Guarding::Guarded => kill_process(self.pid, Signal::TERM),
            Guarding::Plain => kill_process_group(self.pid, Signal::TERM),
        });
    }

    /// Kills all it started. A guard is left to reap them, and then ends by itself.
    pub(super) fn kill_descendants(&self) {
        self.while_running(|| {
            signal_descendants(self.pid, Signal::KILL);
            match self.guarding {
                Guarding::Guarded => Ok(()),
                Guarding::Plain => kill_process_group(self.pid, Signal::KILL),
            }
        });
    }

    /// Kills its process group, a guard included.
    pub(super) fn kill_group(&self) {
        self.while_running(|| kill_process_group(self.pid, Signal::KILL));
    }

    /// Runs `signal` unless the process is reaped. That it may be ending already is no fault.
    fn while_running(&self, signal: impl FnOnce() -> rustix::io::Result<()>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Running(_)) {
            let _ = signal();
        }
    }
}

/// This process' ends of the pipes of a child.
pub(super) struct Pipes {
    pub(super) stdin: Option<process::ChildStdin>,
    pub(super) stdout: Option<process::ChildStdout>,
    pub(super) stderr: Option<process::ChildStderr>,
}
