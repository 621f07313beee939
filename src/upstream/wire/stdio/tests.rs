//! The wire with real processes, without a guard.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt, sync::Arc, time::Duration};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{sync::Semaphore, time::timeout};

use super::*;
use crate::{redact::Redacted, upstream::settings::StdioSettings};

fn shell(script: &str) -> StdioSettings {
    let args = vec!["-c".into(), script.into()];
    StdioSettings { command: "sh".into(), args, env: BTreeMap::new(), cwd: None, sandbox: None }
}

fn plain() -> Launch {
    Launch { guard: None, ..Launch::new(1 << 20) }
}

/// Stops a child that would go on: without a guard it would outlive the test.
async fn stop(child: Child) {
    let _ = kill_process_group(Pid::from_raw(child.pid()).unwrap(), Signal::KILL);
    child.stop().await.unwrap();
}

async fn start(settings: &StdioSettings, launch: &Launch) -> (Child, Lines) {
    Child::start(settings, launch, &Arc::from("test")).await.unwrap()
}

/// The next line, in time.
async fn next(lines: &mut Lines) -> Option<Line> {
    timeout(Duration::from_secs(10), lines.next()).await.unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "what it is compared with has an end")]
fn message(text: impl Into<String>) -> Option<Line> {
    Some(Line::Message(text.into().into()))
}

#[tokio::test]
async fn a_line_split_over_many_writes_arrives_whole() {
    let script =
        r#"printf '{"a":['; for i in 1 2 3 4 5 6 7 8 9; do printf '%s,' $i; done; printf '0]}\n{'; printf '}\n'"#;
    let (_child, mut lines) = start(&shell(script), &plain()).await;
    assert_eq!(next(&mut lines).await, message(r#"{"a":[1,2,3,4,5,6,7,8,9,0]}"#));
    assert_eq!(next(&mut lines).await, message("{}"));
    assert_eq!(next(&mut lines).await, None);
}

#[tokio::test]
async fn an_endless_line_is_reported_and_the_next_one_read() {
    let script = "head -c 300000 /dev/zero | tr '\\0' x; echo; echo '{}'";
    let launch = Launch { max_message_bytes: 1000, ..plain() };
    let (_child, mut lines) = start(&shell(script), &launch).await;
    assert!(matches!(next(&mut lines).await, Some(Line::TooLong(ends)) if ends.head.starts_with(b"xxx")));
    assert!(matches!(next(&mut lines).await, Some(Line::TooLongUntil(ends)) if ends.tail.ends_with(b"xxx")));
    assert_eq!(next(&mut lines).await, message("{}"));
    assert_eq!(next(&mut lines).await, None);
}

#[tokio::test]
async fn a_process_holds_its_place_until_it_has_ended_and_none_after_that() {
    let places = Arc::new(Semaphore::new(1));
    let (child, mut lines) = start(&shell("trap '' TERM; echo '{}'; sleep 60 & wait; wait"), &plain()).await;
    assert_eq!(next(&mut lines).await, message("{}"));
    child.hold(places.clone().try_acquire_owned().ok());
    let stopping = tokio::spawn({
        let child = child.clone();
        async move { child.stop().await }
    });
    // It reads no more, and goes on all the same.
    timeout(Duration::from_secs(10), child.is_deaf()).await.unwrap();
    assert_eq!(places.available_permits(), 0);
    stop(child.clone()).await;
    stopping.await.unwrap();
    assert_eq!(places.available_permits(), 1);
    child.hold(places.clone().try_acquire_owned().ok());
    assert_eq!((places.available_permits(), child.take_place().is_none()), (1, true));
}

#[tokio::test]
async fn sends_are_written_in_order_under_backpressure() {
    // Nobody reads what cat writes, so it stops reading, and the queue fills.
    let launch = Launch { queue: QueueLimits { messages: 1000, bytes: 300_000 }, ..plain() };
    let (child, mut lines) = start(&shell("exec cat"), &launch).await;
    let text = |number: usize| format!("{number}:{}", "x".repeat(number * 7 % 3000));
    let mut sent = 0;
    while child.send(text(sent).into()).is_ok() {
        sent += 1;
        tokio::task::yield_now().await;
    }
    assert!(sent > 100);
    for read in 0..3 * sent {
        assert_eq!(next(&mut lines).await, message(text(read)));
        // What is read makes room for more.
        while sent - read < 50 && child.send(text(sent).into()).is_ok() {
            sent += 1;
        }
    }
}

#[tokio::test]
async fn a_message_larger_than_pipe_and_queue_arrives_whole() {
    let launch = Launch { queue: QueueLimits { messages: 2, bytes: 1000 }, max_message_bytes: 4 << 20, ..plain() };
    let (child, mut lines) = start(&shell("exec cat"), &launch).await;
    let large = "y".repeat(3 << 20);
    child.send(large.clone().into()).unwrap();
    assert_eq!(child.send("{}".into()), Err(SendFault::Full));
    assert_eq!(next(&mut lines).await, message(large));
    child.send("{}".into()).unwrap();
    assert_eq!(next(&mut lines).await, message("{}"));
}

#[tokio::test]
async fn a_full_queue_is_refused() {
    let launch = Launch { queue: QueueLimits { messages: 4, bytes: 1 << 20 }, ..plain() };
    let (child, _lines) = start(&shell("exec sleep 1000"), &launch).await;
    let kilobyte = Bytes::from(vec![b'x'; 1023]);
    let mut taken = 0;
    while child.send(kilobyte.clone()).is_ok() {
        taken += 1;
        tokio::task::yield_now().await;
    }
    assert!((4..=64 + 4).contains(&taken), "a pipe of 64 KiB and a queue of four took {taken}");
    assert_eq!(child.send(kilobyte), Err(SendFault::Full));
    stop(child).await;
}

#[tokio::test]
async fn a_child_that_closed_its_input_is_gone() {
    let (child, mut lines) = start(&shell("exec 0<&-; echo closed; exec sleep 1000"), &plain()).await;
    assert_eq!(next(&mut lines).await, message("closed"));
    let refused = async {
        while child.send("{}".into()) != Err(SendFault::Gone) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), refused).await.unwrap();
    stop(child).await;
}

#[tokio::test]
async fn a_child_that_ends_at_eof_is_not_signalled_and_gets_all_that_was_sent() {
    let (child, mut lines) = start(&shell("cat; echo bye; exit 7"), &plain()).await;
    child.send("one".into()).unwrap();
    child.send("two".into()).unwrap();
    assert_eq!(child.stop().await.unwrap().code(), Some(7));
    for expected in ["one", "two", "bye"] {
        assert_eq!(next(&mut lines).await, message(expected));
    }
    assert_eq!(next(&mut lines).await, None);
    assert_eq!(child.send("three".into()), Err(SendFault::Gone));
    assert_eq!(child.stop().await.unwrap().code(), Some(7), "to stop again changes nothing");
}

#[tokio::test]
async fn a_child_that_ignores_eof_and_term_is_killed() {
    let graces = StopGraces { eof: Duration::from_millis(50), term: Duration::from_millis(50) };
    let launch = Launch { graces, ..plain() };
    let (child, mut lines) = start(&shell("trap '' TERM; echo ready; while :; do sleep 1; done"), &launch).await;
    assert_eq!(next(&mut lines).await, message("ready"));
    assert_eq!(child.stop().await.unwrap().signal(), Some(9));
    assert_eq!(next(&mut lines).await, None);
}

#[tokio::test]
async fn the_environment_is_the_configured_one_and_little_else() {
    let mut settings = shell("env");
    settings.env.insert("SECRET".into(), Redacted::from("s"));
    let (_child, mut lines) = start(&settings, &plain()).await;
    let mut names = Vec::new();
    while let Some(Line::Message(line)) = next(&mut lines).await {
        names.push(String::from_utf8_lossy(line.split(|byte| *byte == b'=').next().unwrap()).into_owned());
    }
    assert!(names.contains(&"SECRET".into()) && names.contains(&"PATH".into()));
    assert!(!names.iter().any(|name| name.starts_with("CARGO")), "cargo gives its tests many variables: {names:?}");
}

#[tokio::test]
async fn the_reason_for_an_end_is_in_the_tail_of_stderr() {
    let (child, _lines) = start(&shell("echo no licence >&2; exit 3"), &plain()).await;
    assert_eq!(child.exited().await.code(), Some(3));
    assert_eq!(child.stderr_tail(), ["no licence"]);
}

#[tokio::test]
async fn a_missing_command_starts_nothing() {
    let settings = StdioSettings { command: "no-such-command".into(), ..shell("") };
    let fault = Child::start(&settings, &plain(), &Arc::from("test")).await.unwrap_err();
    assert!(matches!(fault, StartFault::NotFound { .. }));
}

#[tokio::test]
async fn the_working_directory_is_the_configured_one() {
    let folder = tempfile::tempdir().unwrap();
    let settings = StdioSettings { cwd: Some(folder.path().to_owned()), ..shell("pwd -P") };
    let (_child, mut lines) = start(&settings, &plain()).await;
    assert_eq!(next(&mut lines).await, message(folder.path().canonicalize().unwrap().to_str().unwrap()));
}
