//! Hostile servers over HTTP: whatever one does, its caller gets exactly one answer, the others' calls go on, and nothing stays behind.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::kit::{Arrived, Catalog, Era, Gateway, Legacy, Modern, Upstream, Wire, config, soon, tool, until};

/// A call to a server that does nothing wrong takes no longer than this beside one that does: a hundred times what it takes alone, since
/// the machine that runs the tests has other things to do.
const UNAFFECTED: Duration = Duration::from_secs(2);
/// What may be held of a server's answers beyond what was held before: far below what the hostile ones send.
const MEMORY_BYTES: u64 = 96 << 20;
/// Calls to the hostile server at the same time.
const CALLS: usize = 4;

/// A gateway in front of a hostile server and one that is not.
struct Stage {
    hostile: Upstream,
    sane: Upstream,
    gateway: Gateway,
    descriptors: usize,
    memory: u64,
}

impl Stage {
    async fn before(era: Era, change: Value) -> Self {
        let hostile = Upstream::new(era, Wire::Http).await;
        let sane =
            Upstream::offering(Era::Modern, Wire::Http, Catalog { tools: vec![tool("sane")], ..Default::default() })
                .await;
        let mut settings = config(&[("hostile", &hostile), ("sane", &sane)]);
        for server in ["hostile", "sane"] {
            // A connection that rests would be no leak and count as one.
            settings["mcpServers"][server]["maxIdleConnections"] = json!(0);
        }
        settings["mcpServers"]["hostile"]["timeout"] = json!("1s");
        for (key, value) in change.as_object().unwrap() {
            settings["mcpServers"]["hostile"][key] = value.clone();
        }
        let gateway = Gateway::start(settings).await;
        let mut stage = Self { hostile, sane, gateway, descriptors: 0, memory: 0 };
        // Everything is warm: what follows is about the mischief alone.
        let call = Modern::of(&stage.gateway).begin_call(0, "echo", "{}").await;
        stage.hostile.take("tools/call").await.text_result("warm").await;
        assert_eq!(call.answer().await.status, 200);
        stage.call_the_other().await;
        stage.descriptors = stage.settled().await;
        stage.memory = stage.gateway.resident_bytes();
        stage
    }

    /// The number of open descriptors when nothing is under way.
    async fn settled(&self) -> usize {
        let mut last = self.gateway.descriptors();
        let settling = async {
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let now = self.gateway.descriptors();
                if now == std::mem::replace(&mut last, now) {
                    return now;
                }
            }
        };
        soon("descriptors come to rest", settling).await
    }

    /// One call to the other server, and how long it took.
    async fn call_the_other(&self) -> Duration {
        let begun = myelin::clock::now();
        let call = Modern::of(&self.gateway).begin_call("\"s\"", "sane", "{}").await;
        self.sane.take("tools/call").await.text_result("unaffected").await;
        assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "unaffected");
        begun.elapsed()
    }

    /// Several calls to the hostile server, which does `act` with each; meanwhile others go on. Each caller gets one answer, of which
    /// `expected` is the code of the error; afterwards all is as it was.
    async fn survives(&self, what: &str, expected: Option<i64>, act: impl AsyncFn(&mut Arrived)) {
        let mut calls = JoinSet::new();
        let mut arrived = Vec::new();
        for id in 0..CALLS {
            let call = Modern::of(&self.gateway).begin_call(id, "echo", &format!(r#"{{"nonce":{id}}}"#)).await;
            calls.spawn(async move { call.answer().await.all().await });
            arrived.push(self.hostile.take("tools/call").await);
        }
        let mischief = async {
            for arrived in &mut arrived {
                act(arrived).await;
            }
        };
        let others = async {
            let mut slowest = Duration::ZERO;
            for _ in 0..10 {
                slowest = slowest.max(self.call_the_other().await);
            }
            slowest
        };
        let ((), slowest) = tokio::join!(mischief, others);
        assert!(slowest < UNAFFECTED, "{what}: another server's call took {slowest:?}");
        while let Some(messages) = soon(what, calls.join_next()).await {
            let messages = messages.unwrap();
            let answers: Vec<&Value> = messages.iter().filter(|message| !message["id"].is_null()).collect();
            let [answer] = answers[..] else { panic!("{what}: one answer and no other: {messages:?}") };
            assert_eq!(answer["error"]["code"].as_i64(), expected, "{what}: {answer}");
        }
        drop(arrived);
        until(what, || self.gateway.descriptors() <= self.descriptors).await;
        until(what, || self.gateway.resident_bytes() < self.memory + MEMORY_BYTES).await;
    }
}

/// Sends bytes as long as somebody takes them, each piece made when it is sent.
async fn flood(arrived: &Arrived, piece: &[u8], total: u64) {
    let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
    let mut sent = 0;
    while sent < total && !arrived.is_gone() {
        arrived.write(&chunk).await;
        sent += chunk.len() as u64;
    }
}

const JSON_STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_server_that_hangs_at_any_stage_times_out_and_takes_nothing_along() {
    for era in [Era::Modern, Era::Legacy] {
        let stage = Stage::before(era, json!({ "breaker": { "failures": 0 } })).await;
        stage.survives("no head", Some(1002), async |_| ()).await;
        let half = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-le";
        stage.survives("half a head", Some(1002), async |arrived| arrived.write(half).await).await;
        let body = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"jsonrpc\":";
        stage.survives("half a body", Some(1002), async |arrived| arrived.write(body).await).await;
        stage.survives("a stream of nothing", Some(1002), async |arrived| arrived.open_stream().await).await;
        let half_event = async |arrived: &mut Arrived| {
            arrived.open_stream().await;
            arrived.write(b"6\r\ndata: \r\n").await;
        };
        stage.survives("half an event", Some(1002), half_event).await;
    }
}

#[tokio::test]
async fn a_server_that_drips_is_given_up_after_its_silence() {
    let stage = Stage::before(Era::Modern, json!({ "breaker": { "failures": 0 } })).await;
    let drips = async |arrived: &mut Arrived| {
        arrived.open_stream().await;
        let drip = async {
            while !arrived.is_gone() {
                // Comments keep a connection alive, and say nothing of the call.
                arrived.write(b"2\r\n:\n\r\n").await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        soon("the gateway gives up", drip).await;
    };
    stage.survives("drips", Some(1002), drips).await;
}

#[tokio::test]
async fn a_server_that_breaks_off_fails_its_calls_at_once() {
    let stage = Stage::before(Era::Modern, json!({ "timeout": "20s", "breaker": { "failures": 0 } })).await;
    stage.survives("reset before a head", Some(1001), async |arrived| arrived.reset().await).await;
    let amid = async |arrived: &mut Arrived| {
        arrived.progress(1).await;
        arrived.reset().await;
    };
    stage.survives("reset in a stream", Some(1001), amid).await;
    let ends = async |arrived: &mut Arrived| {
        arrived.progress(1).await;
        arrived.end().await;
    };
    stage.survives("a stream that ends without an answer", Some(1001), ends).await;
}

#[tokio::test]
async fn nonsense_fails_the_call_that_it_answers() {
    let stage = Stage::before(Era::Modern, json!({ "timeout": "20s", "breaker": { "failures": 0 } })).await;
    let plain = "content-type: text/plain\r\n";
    for (status, headers, text, code) in [
        (200, "content-type: text/html\r\n", "<html>Welcome</html>", 1005),
        (200, plain, "hello", 1005),
        (200, "content-type: application/json\r\n", "", 1005),
        (200, "content-type: application/json\r\n", "{\"jsonrpc\":\"2.0\",\"id\":", 1005),
        (200, "content-type: application/json\r\ncontent-encoding: gzip\r\n", "\u{1f}\u{8b}bomb", 1005),
        (200, "content-type: application/octet-stream\r\n", "\0\0\0", 1005),
        (302, "location: http://169.254.169.254/\r\n", "", 1001),
        (404, plain, "no", 1001),
        (429, plain, "no", 1001),
        (500, plain, "no", 1001),
        (503, plain, "no", 1001),
    ] {
        let act = async |arrived: &mut Arrived| arrived.respond(status, headers, text).await;
        stage.survives(&format!("{status} {text}"), Some(code), act).await;
    }
    stage.survives("no HTTP", Some(1005), async |arrived| arrived.write(b"SSH-2.0-OpenSSH_9\r\n\r\n").await).await;
    let foreign = async |arrived: &mut Arrived| {
        arrived.say(r#"{"jsonrpc":"2.0","id":987654321,"result":{"content":[],"stolen":true}}"#).await;
        arrived.say(r#"{"jsonrpc":"2.0","id":"1","result":{"content":[],"stolen":true}}"#).await;
        arrived.text_result("own").await;
    };
    stage.survives("foreign ids", None, foreign).await;
    let twice = async |arrived: &mut Arrived| {
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[]}}}}"#, arrived.id());
        arrived.say(&answer).await;
        arrived.say(&answer).await;
        arrived.end().await;
    };
    stage.survives("an answer twice", None, twice).await;
}

#[tokio::test]
async fn an_answer_that_comes_too_late_reaches_nobody() {
    let stage = Stage::before(Era::Modern, json!({ "breaker": { "failures": 0 } })).await;
    let late = async |arrived: &mut Arrived| {
        arrived.is_given_up().await;
        arrived.text_result("too late").await;
    };
    stage.survives("late", Some(1002), late).await;
}

#[tokio::test]
async fn a_gibibyte_is_refused_while_it_comes_and_never_held() {
    let stage =
        Stage::before(Era::Modern, json!({ "timeout": "30s", "maxMessage": "4MiB", "breaker": { "failures": 0 } }))
            .await;
    let announced = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1073741824\r\n\r\n{";
    stage.survives("a gibibyte announced", Some(1005), async |arrived| arrived.write(announced).await).await;
    let piece = vec![b'x'; 256 << 10];
    let result = async |arrived: &mut Arrived| {
        arrived.write(JSON_STREAM).await;
        flood(arrived, &piece, 1 << 30).await;
    };
    stage.survives("a gibibyte in pieces", Some(1005), result).await;
    let event = async |arrived: &mut Arrived| {
        arrived.open_stream().await;
        arrived.write(b"6\r\ndata: \r\n").await;
        flood(arrived, &piece, 1 << 30).await;
    };
    stage.survives("an endless event", Some(1005), event).await;
    let head = async |arrived: &mut Arrived| {
        arrived.write(b"HTTP/1.1 200 OK\r\nx-pad: ").await;
        for _ in 0..64 {
            arrived.write(&piece).await;
        }
    };
    stage.survives("an endless head", Some(1005), head).await;
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_left_and_the_others_start() {
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sane = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("sane", &sane)]);
    settings["mcpServers"]["deaf"] =
        json!({ "url": format!("http://{}/mcp", deaf.local_addr().unwrap()), "startTimeout": "500ms" });
    settings["endpoints"]["/mcp"]["names"] = json!("prefixed");
    let gateway = Gateway::start(settings).await;
    let mut calls = JoinSet::new();
    for id in 0..CALLS {
        let call = Modern::of(&gateway).begin_call(id, "deaf__x", "{}").await;
        calls.spawn(async move { call.answer().await.refused(200, 1002).await });
    }
    let begun = myelin::clock::now();
    let call = Modern::of(&gateway).begin_call(1, "sane__echo", "{}").await;
    sane.take("tools/call").await.text_result("fine").await;
    assert_eq!(call.answer().await.status, 200);
    assert!(begun.elapsed() < UNAFFECTED);
    soon("all hear of it", calls.join_all()).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "a crowd waits once, not one after the other");
}

#[tokio::test]
async fn a_session_that_the_server_forgot_is_opened_anew_and_told_what_the_last_one_was() {
    let stage = Stage::before(Era::Legacy, json!({ "timeout": "20s" })).await;
    let client = Legacy::open(&stage.gateway).await;
    client.send(1, "resources/subscribe", r#""uri":"it://one""#).await.response().await;
    client.send(2, "logging/setLevel", r#""level":"debug""#).await.response().await;
    let call = client.begin_call(3, "echo", "{}").await;
    stage.hostile.take("tools/call").await.text_result("warm").await;
    assert_eq!(call.answer().await.status, 200);
    let told = ["resources/subscribe", "logging/setLevel"].map(|method| (method, stage.hostile.count(method)));
    assert!(told.iter().all(|(_, times)| *times > 0), "{told:?}");

    let call = client.begin_call(4, "echo", r#"{"nonce":1}"#).await;
    let forgotten = stage.hostile.take("tools/call").await;
    let session = forgotten.header("mcp-session-id").unwrap().to_owned();
    forgotten.respond(404, "", "").await;
    let mut again = stage.hostile.take("tools/call").await;
    assert_eq!(again.params()["arguments"]["nonce"], 1);
    assert_ne!(again.header("mcp-session-id"), Some(session.as_str()));
    again.text_result("made again").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "made again");
    stage.gateway.metric(r#"myelin_upstream_session_renewals_total{server="hostile"}"#, "1").await;
    for (method, times) in told {
        until(method, || stage.hostile.count(method) > times).await;
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_opened_anew_is_told_to_the_caller_and_the_next_call_tries_again() {
    let stage = Stage::before(Era::Legacy, json!({ "timeout": "20s", "retry": { "calls": "off" } })).await;
    stage.hostile.takes("initialize");
    let call = Modern::of(&stage.gateway).begin_call(1, "echo", "{}").await;
    stage.hostile.take("tools/call").await.respond(404, "", "").await;
    stage.hostile.take("initialize").await.respond(500, "", "").await;
    call.answer().await.refused(200, 1001).await;
    stage.hostile.leaves("initialize");
    let call = Modern::of(&stage.gateway).begin_call(2, "echo", "{}").await;
    stage.hostile.take("tools/call").await.respond(404, "", "").await;
    stage.hostile.take("tools/call").await.text_result("back").await;
    assert_eq!(call.answer().await.response().await["result"]["content"][0]["text"], "back");
}
