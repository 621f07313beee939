//! What servers and clients say to each other besides calls and answers, across the eras.

mod between;
mod extensions;
mod forms;
mod parked;
mod signed;
mod trace;
mod urls;

use serde_json::Value;

use crate::kit::{Arrived, Client, question, text};

/// Ends a call with questions, as a modern server does.
async fn needs(arrived: &mut Arrived, requests: &str, state: &str) {
    let result =
        format!(r#"{{"resultType":"input_required","inputRequests":{{{requests}}},"requestState":"{state}"}}"#);
    arrived.result(&result).await;
}

/// The result of a call that needs input.
async fn needed(call: Client) -> Value {
    let response = call.answer().await.response().await;
    assert_eq!(response["result"]["resultType"], "input_required", "{response}");
    response["result"].clone()
}

/// The call `echo` repeated with answers.
fn again(needed: &Value, answers: &str) -> String {
    let state = &needed["requestState"];
    format!(r#""name":"echo","arguments":{{}},"requestState":{state},"inputResponses":{{{answers}}}"#)
}

/// The same answer to everything that is asked.
fn all(needed: &Value, answer: &str) -> String {
    let keys = needed["inputRequests"].as_object().unwrap().keys();
    keys.map(|key| format!(r#""{key}":{answer}"#)).collect::<Vec<_>>().join(",")
}
