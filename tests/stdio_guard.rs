//! Children under the guard: whatever ends first, no process is left.
//!
//! Processes are recognised by a variable that only the children of one test have in their environment.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeMap,
    env, fs,
    process::{self, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use myelin::{
    redact::Redacted,
    upstream::{
        settings::StdioSettings,
        wire::stdio::{Child, Launch, Line, Lines, SendFault, StopGraces},
    },
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{sleep, timeout};

/// A wrapper that forks, and one that leaves a daemon in a session of its own.
const FORKING: &str = "sleep 1000 & sleep 1000";
const DAEMON: &str =
    "(setsid sleep 1000 &); (setsid sh -c '(setsid sleep 1000 &); exec sleep 1000' &); exec sleep 1000";
const STUBBORN: &str = "trap '' TERM HUP INT; (setsid sleep 1000 &); while :; do sleep 1000; done";

/// Marks the processes of one test.
struct Mark(String);

impl Mark {
    fn new(test: &str) -> Self {
        Self(format!("{test}-{}", process::id()))
    }

    /// The processes with this mark; zombies have no environment and do not count.
    fn processes(&self) -> Vec<String> {
        let variable = format!("MARK={}", self.0);
        let marked = |folder: &fs::DirEntry| {
            fs::read(folder.path().join("environ"))
                .is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == variable.as_bytes()))
        };
        let found = fs::read_dir("/proc").unwrap().flatten().filter(marked);
        found
            .map(|folder| {
                format!("{}: {:?}", folder.path().display(), fs::read_to_string(folder.path().join("cmdline")))
            })
            .collect()
    }

    /// Waits until there are `count` of them.
    async fn are(&self, count: usize) {
        let counted = async {
            while self.processes().len() != count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = timeout(Duration::from_secs(20), counted).await;
        assert!(in_time.is_ok(), "{count} expected, there are {:#?}", self.processes());
    }

    fn settings(&self, command: &str, args: &[&str]) -> StdioSettings {
        StdioSettings {
            command: command.into(),
            args: args.iter().map(|&argument| argument.to_owned()).collect(),
            env: BTreeMap::from([("MARK".to_owned(), Redacted::from(self.0.as_str()))]),
            cwd: None,
            sandbox: None,
        }
    }

    async fn shell(&self, script: &str) -> (Child, Lines) {
        start(&self.settings("sh", &["-c", script]), &launch()).await
    }
}

fn launch() -> Launch {
    Launch { guard: Some(env!("CARGO_BIN_EXE_myelin").into()), ..Launch::new(1 << 20) }
}

async fn start(settings: &StdioSettings, launch: &Launch) -> (Child, Lines) {
    Child::start(settings, launch, &Arc::from("test")).await.unwrap()
}

async fn next(lines: &mut Lines) -> Option<Line> {
    timeout(Duration::from_secs(10), lines.next()).await.unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "what it is compared with has an end")]
fn message(text: &'static str) -> Option<Line> {
    Some(Line::Message(text.into()))
}

async fn exit_code(child: &Child) -> Option<i32> {
    timeout(Duration::from_secs(10), child.exited()).await.unwrap().code()
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.pid()).unwrap()
}

/// Not a test of its own: what [`no_descendant_survives_kill_nine_of_the_gateway`] starts and kills.
#[tokio::test]
async fn plays_the_gateway_when_asked() {
    let Ok(mark) = env::var("PLAY_THE_GATEWAY") else { return };
    let mark = Mark(mark);
    let mut running = vec![start(&mark.settings("sleep", &["1000"]), &launch()).await];
    for script in [FORKING, DAEMON, STUBBORN] {
        running.push(mark.shell(script).await);
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn no_descendant_survives_kill_nine_of_the_gateway() {
    let mark = Mark::new("kill-nine");
    let mut gateway = Command::new(env::current_exe().unwrap())
        .args(["--exact", "plays_the_gateway_when_asked"])
        .env("PLAY_THE_GATEWAY", &mark.0)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Four guards, and below them: sleep; sh and two; three sleeps and no shell; sh and two.
    mark.are(4 + 1 + 3 + 4 + 3).await;
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    mark.are(0).await;
}

#[tokio::test]
async fn what_a_child_leaves_behind_ends_with_it() {
    let mark = Mark::new("left-behind");
    let (child, mut lines) = mark.shell("(setsid sleep 1000 &); echo ready; read line; exit 5").await;
    assert_eq!(next(&mut lines).await, message("ready"));
    child.send("end".into()).unwrap();
    assert_eq!(next(&mut lines).await, None);
    assert_eq!(exit_code(&child).await, Some(5));
    assert_eq!(mark.processes(), [""; 0]);
}

#[tokio::test]
async fn a_stop_ends_a_wrapper_and_its_daemons() {
    let mark = Mark::new("stop");
    let (child, _lines) = mark.shell(DAEMON).await;
    mark.are(5).await;
    let graces = async { child.stop().await };
    assert_eq!(graces.await.unwrap().code(), Some(128 + 15));
    assert_eq!(mark.processes(), [""; 0]);
}

#[tokio::test]
async fn a_guarded_child_that_ignores_eof_and_term_is_killed() {
    let mark = Mark::new("stubborn");
    let graces = StopGraces { eof: Duration::from_millis(50), term: Duration::from_millis(50) };
    let (child, _lines) = start(&mark.settings("sh", &["-c", STUBBORN]), &Launch { graces, ..launch() }).await;
    mark.are(4).await;
    assert_eq!(child.stop().await.unwrap().code(), Some(128 + 9));
    assert_eq!(mark.processes(), [""; 0]);
}

#[tokio::test]
async fn a_child_may_clean_up_although_its_wrapper_ended_at_once() {
    let mark = Mark::new("clean-up");
    let script = "sh -c 'trap \"echo cleaned; exit\" TERM; echo ready; while :; do sleep 0.01; done' & wait";
    let (child, mut lines) = mark.shell(script).await;
    assert_eq!(next(&mut lines).await, message("ready"));
    kill_process(pid(&child), Signal::TERM).unwrap();
    assert_eq!(next(&mut lines).await, message("cleaned"));
    assert_eq!(exit_code(&child).await, Some(128 + 15));
}

#[tokio::test]
async fn the_last_handle_dropped_ends_the_child() {
    let mark = Mark::new("handles");
    let (child, mut lines) = mark.shell(DAEMON).await;
    let other = child.clone();
    mark.are(5).await;
    drop(child);
    drop(other);
    assert_eq!(next(&mut lines).await, None);
    mark.are(0).await;
}

#[tokio::test]
async fn a_child_that_nobody_reads_ends() {
    let mark = Mark::new("unread");
    let (child, lines) = mark.shell(DAEMON).await;
    mark.are(5).await;
    drop(lines);
    assert_eq!(exit_code(&child).await, Some(128 + 15));
    assert_eq!(mark.processes(), [""; 0]);
}

#[tokio::test]
async fn a_killed_guard_takes_its_process_group_with_it() {
    let mark = Mark::new("guard-killed");
    let (child, mut lines) = mark.shell(FORKING).await;
    mark.are(4).await;
    kill_process(pid(&child), Signal::KILL).unwrap();
    assert_eq!(exit_code(&child).await, None);
    assert_eq!(next(&mut lines).await, None);
    mark.are(0).await;
}

#[tokio::test]
async fn the_guard_holds_no_end_of_stdin() {
    let mark = Mark::new("stdin");
    let (child, mut lines) = mark.shell("exec 0<&-; echo closed; exec sleep 1000").await;
    assert_eq!(next(&mut lines).await, message("closed"));
    let refused = async {
        while child.send("{}".into()) != Err(SendFault::Gone) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(10), refused).await.unwrap();
}

#[tokio::test]
async fn a_guarded_child_answers() {
    let mark = Mark::new("answers");
    let (child, mut lines) = start(&mark.settings("cat", &[]), &launch()).await;
    child.send("{\"id\":1}".into()).unwrap();
    assert_eq!(next(&mut lines).await, message("{\"id\":1}"));
    assert_eq!(child.stop().await.unwrap().code(), Some(0));
    assert_eq!(mark.processes(), [""; 0]);
}

#[tokio::test]
async fn processes_that_were_orphaned_and_ended_are_reaped_meanwhile() {
    let mark = Mark::new("orphans");
    let (child, mut lines) = mark.shell("(true &); (true &); echo ready; exec sleep 1000").await;
    assert_eq!(next(&mut lines).await, message("ready"));
    let list = format!("/proc/{0}/task/{0}/children", child.pid());
    let reaped = async {
        while fs::read_to_string(&list).unwrap().split_whitespace().count() != 1 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), reaped).await.unwrap();
}
