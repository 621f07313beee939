//! Hostile children: `servers/hostile.py`.

use serde_json::{Value, json};

use super::{all_answered, call, gateway, undisturbed};
use crate::kit::{Gateway, Modern};

const KIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers/hostile.py");
/// The codes of the gateway's own errors.
const GONE: Result<&str, i64> = Err(1001);
const TIMED_OUT: Result<&str, i64> = Err(1002);
const GARBLED: Result<&str, i64> = Err(1005);

fn server(args: &[&str]) -> Value {
    let mut all = vec![KIT];
    all.extend(args);
    json!({
        "command": "python3",
        "args": all,
        "era": "legacy",
        "timeout": "3s",
        "startTimeout": "20s",
        "maxMessage": "256KiB",
        "ping": { "after": "500ms", "timeout": "500ms" },
        "restart": { "failures": 0, "wait": "10ms", "maxWait": "20ms" },
        "pool": { "isolation": "shared" },
    })
}

/// A gateway whose hostile child is warm.
async fn warm(act: &str) -> Gateway {
    let gateway = gateway(server(&["call", act]), server(&[])).await;
    let client = Modern::of(&gateway);
    for tool in ["hostile__echo", "sane__echo"] {
        assert_eq!(call(&client, tool, "warm").await.as_deref(), Ok("warm"), "{}", gateway.log());
    }
    gateway
}

/// What was hostile is gone, and another child answers.
async fn works_again(client: &Modern) {
    let again = async { while call(client, "hostile__echo", "again").await.as_deref() != Ok("again") {} };
    crate::kit::soon("it works again", again).await;
}

/// In the middle of a call the server does `act`: that call ends as expected, and the next one works.
async fn in_mid_call(act: &str, expected: Result<&str, i64>) {
    let gateway = warm(act).await;
    let client = Modern::of(&gateway);
    let storm = async {
        let bad = (client.clone(), "hostile__bad".to_owned(), "bad".to_owned());
        let others = (0..4).map(|number| (client.clone(), "hostile__echo".to_owned(), format!("beside-it-{number}")));
        let answers = all_answered(others.chain([bad])).await;
        assert_eq!(answers["bad"].as_deref().map_err(|code| *code), expected, "{act}: {answers:?}");
        for (nonce, answer) in answers {
            // Those beside it on the same child share its fate or do not, and none gets another's answer.
            assert!(answer.is_err() || answer == Ok(nonce), "{act}: {answer:?}");
        }
    };
    let settle = async {
        works_again(&client).await;
    };
    undisturbed(act, &gateway, storm, settle).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_child_that_hangs_or_is_stopped_fails_its_calls_and_is_replaced() {
    in_mid_call("hang", TIMED_OUT).await;
    in_mid_call("stop", TIMED_OUT).await;
}

#[tokio::test]
async fn a_child_that_crashes_or_kills_itself_or_leaves_grandchildren_is_replaced_and_nothing_is_left() {
    in_mid_call("crash", GONE).await;
    in_mid_call("kill_itself", GONE).await;
    in_mid_call("fork", GONE).await;
}

#[tokio::test]
async fn a_child_that_closes_either_end_is_replaced() {
    in_mid_call("close_stdin", GONE).await;
    // Its guard holds the other end of its stdout, so that only its silence tells.
    in_mid_call("close_stdout", TIMED_OUT).await;
}

#[tokio::test]
async fn a_child_that_prints_no_messages_without_end_is_replaced() {
    in_mid_call("flood_stdout", GARBLED).await;
}

#[tokio::test]
async fn a_child_that_drips_bytes_is_replaced() {
    in_mid_call("drip", TIMED_OUT).await;
}

#[tokio::test]
async fn a_result_of_a_gigabyte_and_a_line_without_an_end_are_refused_and_held_by_nobody() {
    in_mid_call("huge", GARBLED).await;
    in_mid_call("endless", GARBLED).await;
}

#[tokio::test]
async fn answers_that_come_twice_or_under_foreign_ids_reach_nobody() {
    in_mid_call("twice", Ok("bad")).await;
    in_mid_call("foreign", Ok("bad")).await;
}

#[tokio::test]
async fn an_answer_that_comes_late_reaches_nobody() {
    let gateway = warm("late").await;
    let client = Modern::of(&gateway);
    let storm = async {
        let bad = client.begin_call("\"bad\"", "hostile__bad", r#"{"nonce":"bad"}"#).await;
        // It goes away, and the server answers it after the next call.
        drop(bad);
        assert_eq!(call(&client, "hostile__echo", "next").await.as_deref(), Ok("next"));
        assert_eq!(call(&client, "hostile__echo", "after").await.as_deref(), Ok("after"));
    };
    undisturbed("late", &gateway, storm, async {}).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_child_that_floods_stderr_slows_nobody_and_ends_with_its_flood() {
    let gateway = warm("flood_stderr").await;
    let client = Modern::of(&gateway);
    let storm = async {
        assert_eq!(call(&client, "hostile__bad", "bad").await.as_deref(), Ok("bad"));
        for number in 0..20 {
            let nonce = format!("in-the-flood-{number}");
            assert_eq!(call(&client, "hostile__echo", &nonce).await, Ok(nonce));
        }
    };
    // The flood is a process of its own, and goes on.
    let settle = async {
        gateway.signal_children("flood_stderr", rustix::process::Signal::KILL);
        works_again(&client).await;
    };
    undisturbed("flood_stderr", &gateway, storm, settle).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_server_that_is_hostile_from_its_start_or_in_its_handshake_or_list_is_left_out_and_nothing_else() {
    for stage in ["start", "initialize", "list"] {
        for act in ["hang", "crash", "flood_stdout", "drip", "close_stdin", "close_stdout", "endless"] {
            let mut hostile = server(&[stage, act]);
            hostile["startTimeout"] = json!("1s");
            hostile["timeout"] = json!("1s");
            hostile["start"] = json!("lazy");
            let gateway = gateway(hostile, server(&[])).await;
            let client = Modern::of(&gateway);
            assert_eq!(call(&client, "sane__echo", "warm").await.as_deref(), Ok("warm"));
            let name = format!("{stage} {act}");
            let storm = async {
                let answers = all_answered(
                    (0..4).map(|number| (client.clone(), "hostile__echo".to_owned(), format!("n{number}"))),
                )
                .await;
                assert!(answers.values().all(Result::is_err), "{name}: {answers:?}");
                let listed = client.send(1, "tools/list", "").await.response().await;
                assert_eq!(crate::kit::names(&listed, "tools"), ["sane__echo", "sane__bad"], "{name}: {listed}");
            };
            undisturbed(&name, &gateway, storm, async {}).await;
            gateway.stop().await;
        }
    }
}
