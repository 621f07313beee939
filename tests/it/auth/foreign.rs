//! What belongs to somebody else answers as what does not exist: the same status, the same headers and the same bytes.

use serde_json::{Value, json};

use super::{ALICE, BOB, keys};
use crate::kit::{Answer, Catalog, Client, Era, Gateway, Legacy, Modern, Upstream, Wire, config, request, tool};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// All that an answer shows, but for its time.
async fn shown(answer: Answer) -> (u16, Option<String>, Option<String>, String) {
    let header = |name| answer.header(name).map(str::to_owned);
    let (kind, challenge) = (header("content-type"), header("www-authenticate"));
    (answer.status, kind, challenge, answer.text().await)
}

/// A sealed text with one character changed.
fn altered(sealed: &str) -> String {
    let mut altered = sealed.to_owned();
    let last = if altered.pop() == Some('A') { 'B' } else { 'A' };
    altered.push(last);
    altered
}

async fn over(upstream: &Upstream) -> Gateway {
    let mut settings = config(&[("up", upstream)]);
    settings["auth"] = keys();
    Gateway::start(settings).await
}

async fn open(gateway: &Gateway, token: &str) -> Legacy {
    Legacy::open_bearing(gateway, token, "{}").await
}

#[tokio::test]
async fn a_foreign_session_is_none_whatever_is_asked_of_it() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = over(&upstream).await;
    let (alice, bob) = (open(&gateway, ALICE).await, open(&gateway, BOB).await);
    let ended = open(&gateway, BOB).await;
    assert!(ended.delete().await.status < 300);
    let ids = [alice.session.clone(), altered(&alice.session), "x".to_owned(), ended.session];
    let expected = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found: initialize again without the Mcp-Session-Id header"}}"#;
    for id in ids {
        let foreign = bob.with_session(id.clone());
        let answers = [
            foreign.send(1, "tools/list", "").await,
            foreign.post(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#).await,
            foreign.post(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await,
            foreign.stream(None).await,
            foreign.stream(Some("1/1")).await,
            foreign.delete().await,
        ];
        for answer in answers {
            let kind = Some("application/json".to_owned());
            assert_eq!(shown(answer).await, (404, kind, None, expected.to_owned()), "{id}");
        }
    }
    assert_eq!(alice.send(1, "ping", "").await.status, 200, "nobody ended it");
}

#[tokio::test]
async fn a_foreign_connection_of_the_oldest_transport_is_none() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = over(&upstream).await;
    let alice = format!("Bearer {ALICE}");
    let headers = [("accept", "text/event-stream"), ("authorization", alice.as_str())];
    let mut stream = gateway.send(&request("GET", "/sse", &headers, b"")).await;
    let address = stream.event().await.unwrap().data;
    let post = async |path: &str| {
        let bob = format!("Bearer {BOB}");
        let headers = [("content-type", "application/json"), ("authorization", bob.as_str())];
        let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        shown(Client::exchange(&gateway.address, &request("POST", path, &headers, ping)).await).await
    };
    let foreign = post(&address).await;
    let body = r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"There is no such session"}}"#;
    assert_eq!(foreign, (404, Some("application/json".to_owned()), None, body.to_owned()));
    assert_eq!(post("/messages?session_id=made-up").await, foreign);
    assert_eq!(post("/messages").await, foreign);
}

#[tokio::test]
async fn a_foreign_stream_is_taken_up_by_nobody() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = over(&upstream).await;
    let (alice, bob) = (open(&gateway, ALICE).await, open(&gateway, BOB).await);
    let members = r#""name":"echo","arguments":{},"_meta":{"progressToken":"p"}"#;
    let call = alice.begin_post(&Legacy::body(1, "tools/call", members)).await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.progress(1).await;
    let mut stream = call.answer().await;
    let name = stream.event().await.unwrap().id.unwrap();
    let foreign = shown(bob.stream(Some(&name)).await).await;
    let body = r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Last-Event-ID names no event of this session"}}"#;
    assert_eq!(foreign, (400, Some("application/json".to_owned()), None, body.to_owned()));
    for made_up in ["999/1", "nonsense"] {
        assert_eq!(shown(bob.stream(Some(made_up)).await).await, foreign, "{made_up}");
    }
    arrived.text_result("hers").await;
    assert_eq!(stream.response().await["result"]["content"][0]["text"], "hers");
}

#[tokio::test]
async fn a_foreign_round_is_answered_like_one_that_never_was() {
    let form = r#"{"message":"Name?","requestedSchema":{"type":"object","properties":{}}}"#;
    for era in [Era::Modern, Era::Legacy] {
        let upstream = Upstream::new(era, Wire::Http).await;
        let gateway = over(&upstream).await;
        let client = |token| Modern::of(&gateway).capable(r#"{"elicitation":{}}"#).bearing(token);
        let call = client(ALICE).begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        match era {
            Era::Modern => {
                let requests = format!(r#"{{"who":{{"method":"elicitation/create","params":{form}}}}}"#);
                let needs =
                    format!(r#"{{"resultType":"input_required","requestState":"s","inputRequests":{requests}}}"#);
                arrived.result(&needs).await;
            }
            Era::Legacy => arrived.ask(&json!("who"), "elicitation/create", form).await,
        }
        let response = call.answer().await.response().await;
        let state = response["result"]["requestState"].as_str().unwrap().to_owned();
        let again = async |state: &str| {
            let members = format!(r#""name":"echo","arguments":{{}},"requestState":"{state}","inputResponses":{{}}"#);
            shown(client(BOB).send(2, "tools/call", &members).await).await
        };
        let foreign = again(&state).await;
        let body = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Invalid requestState: call again without it to start over","data":{"reason":"request_state_invalid"}}}"#;
        assert_eq!(foreign, (200, Some("application/json".to_owned()), None, body.to_owned()), "{era:?}");
        for forged in [altered(&state), "made-up".to_owned()] {
            assert_eq!(again(&forged).await, foreign, "{era:?} {forged}");
        }
        assert_eq!(upstream.count("tools/call"), 1, "{era:?}");
    }
}

#[tokio::test]
async fn a_forged_cursor_is_refused_and_says_nothing() {
    let tools = ["a", "b", "c"].map(tool).to_vec();
    let upstream = Upstream::offering(Era::Modern, Wire::Http, Catalog { tools, ..Catalog::default() }).await;
    let mut settings = config(&[("up", &upstream)]);
    (settings["auth"], settings["lists"]) = (keys(), json!({ "pageSize": 1 }));
    let gateway = Gateway::start(settings).await;
    let (modern, legacy) = (Modern::of(&gateway).bearing(BOB), open(&gateway, BOB).await);
    let page = modern.send(1, "tools/list", "").await.response().await;
    let cursor = page["result"]["nextCursor"].as_str().unwrap().to_owned();
    let body = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid cursor: start the list again without one"}}"#;
    let expected = (200, Some("application/json".to_owned()), None, body.to_owned());
    for forged in [altered(&cursor), "made-up".to_owned(), String::new(), gateway.address.clone()] {
        let members = format!(r#""cursor":"{forged}""#);
        assert_eq!(shown(modern.send(1, "tools/list", &members).await).await, expected, "{forged}");
        assert_eq!(shown(legacy.send(1, "tools/list", &members).await).await, expected, "{forged}");
    }
    // One that is good is no good for another list.
    let members = format!(r#""cursor":"{cursor}""#);
    assert_eq!(shown(modern.send(1, "prompts/list", &members).await).await, expected);
}

/// A task of Alice's, in the form of an era: its sealed id.
async fn task(upstream: &Upstream, gateway: &Gateway, era: Era) -> String {
    let status = r#""taskId":"t-1","status":"working","createdAt":"2026-01-01T00:00:00Z","lastUpdatedAt":"2026-01-01T00:00:00Z""#;
    let response: Value = match era {
        Era::Modern => {
            let client = Modern::of(gateway).capable(&extension()).bearing(ALICE);
            let call = client.begin_call(1, "echo", "{}").await;
            let made = format!(r#"{{"resultType":"task",{status},"ttlMs":60000}}"#);
            upstream.take("tools/call").await.result(&made).await;
            call.answer().await.response().await
        }
        Era::Legacy => {
            let alice = open(gateway, ALICE).await;
            let members = r#""name":"echo","arguments":{},"task":{"ttl":5000}"#;
            let call = alice.begin_post(&Legacy::body(1, "tools/call", members)).await;
            upstream.take("tools/call").await.result(&format!(r#"{{"task":{{{status},"ttl":60000}}}}"#)).await;
            call.answer().await.response().await
        }
    };
    let id = response["result"]["taskId"].as_str().or(response["result"]["task"]["taskId"].as_str());
    id.unwrap_or_else(|| panic!("{response}")).to_owned()
}

fn extension() -> String {
    format!(r#"{{"extensions":{{"{EXTENSION}":{{}}}}}}"#)
}

#[tokio::test]
async fn a_foreign_task_is_none() {
    for era in [Era::Modern, Era::Legacy] {
        let capabilities = match era {
            Era::Modern => r#","extensions":{"io.modelcontextprotocol/tasks":{}}"#,
            Era::Legacy => r#","tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}"#,
        };
        let echo = match era {
            Era::Modern => tool("echo"),
            Era::Legacy => tool("echo").replacen('{', r#"{"execution":{"taskSupport":"optional"},"#, 1),
        };
        let catalog = Catalog { tools: vec![echo], capabilities, ..Catalog::default() };
        let upstream = Upstream::offering(era, Wire::Http, catalog).await;
        let gateway = over(&upstream).await;
        let id = task(&upstream, &gateway, era).await;
        let bob = open(&gateway, BOB).await;
        let modern = Modern::of(&gateway).capable(&extension()).bearing(BOB);
        for method in ["tasks/get", "tasks/cancel"] {
            let ask = async |id: &str| {
                let members = format!(r#""taskId":"{id}""#);
                let answer = match era {
                    Era::Modern => modern.send(5, method, &members).await,
                    Era::Legacy => bob.send(5, method, &members).await,
                };
                let (status, kind, challenge, body) = shown(answer).await;
                // An answer that repeats what was asked for reveals nothing by it.
                (status, kind, challenge, body.replace(id, "ID"))
            };
            let foreign = ask(&id).await;
            assert!(foreign.0 == 200 && foreign.3.contains("-32602"), "{era:?} {method}: {foreign:?}");
            for forged in [altered(&id), "made-up".to_owned()] {
                assert_eq!(ask(&forged).await, foreign, "{era:?} {method} {forged}");
            }
            assert_eq!(upstream.count(method), 0, "{era:?}: its server hears nothing of it");
        }
    }
}
