//! Whatever a server says is understood or refused; whatever a client asks becomes a request that a server of that era accepts.
#![no_main]

use bytes::Bytes;
use http::HeaderMap;
use kit::DEPTH;
use libfuzzer_sys::fuzz_target;
use myelin::{
    era::{
        Incoming, Outgoing,
        classify::{Arrival, Limits, classify},
        legacy, modern,
    },
    jsonrpc::{self, Id, Message, MessageBody, Raw},
    mcp::{Capabilities, Caller, Mirror, Params, ProgressInterest, Verb},
};

const VERBS: [Option<Verb>; 4] = [None, Some(Verb::CallTool), Some(Verb::GetPrompt), Some(Verb::ReadResource)];

fuzz_target!(|data: &[u8]| {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(data), DEPTH) else { return };
    if let MessageBody::Request { method, params, .. } = &message.body {
        forwarded(method, params.as_ref());
    }
    said(modern::back::decode(message.clone()));
    said(legacy::back::decode(message));
});

fn said(incoming: Option<Incoming>) {
    match incoming {
        Some(Incoming::Answer(_, answer)) => answered(&answer),
        Some(Incoming::Ask(id, kind, params)) => {
            let given = Ok(params.unwrap_or(Raw::empty_object()));
            for answer in [given, legacy::back::unattributable(kind), legacy::back::undeclared(kind)] {
                kit::message(&legacy::back::answer(&id, &answer));
            }
        }
        Some(Incoming::Ping(id)) => drop(kit::message(&legacy::back::pong(&id))),
        Some(Incoming::Unknown(id)) => drop(kit::message(&legacy::back::unknown(&id))),
        Some(Incoming::Cancelled(id)) => {
            let (method, params) = legacy::back::cancelled(&id);
            kit::message(&jsonrpc::notification(method, Some(&params)));
        }
        Some(Incoming::Complaint(_) | Incoming::Progress(..) | Incoming::Notice(..)) | None => (),
    }
}

fn answered(answer: &Result<Raw, jsonrpc::ErrorObject>) {
    let caller = kit::caller(Capabilities::none(), None);
    for verb in VERBS {
        let _ = modern::back::outcome(verb, &caller, answer.clone());
        legacy::back::outcome(verb, answer.clone());
    }
    modern::back::probe(answer);
    if let Ok(result) = answer
        && let Some(handshake) = legacy::back::handshake(result)
    {
        kit::message(&legacy::front::initialized(&Id::from(1), handshake.revision, &handshake.offer));
    }
}

/// A client's request on its way to servers of both eras.
fn forwarded(method: &str, params: Option<&Raw>) {
    let capabilities = params.and_then(Capabilities::parse).unwrap_or_else(Capabilities::none);
    for caller in [kit::caller(capabilities.clone(), None), kit::caller(capabilities.clone(), Some("session"))] {
        to_modern(&caller, method, params);
    }
    let outgoing = legacy::back::request(method.to_owned().into(), &Params::of(params), &[], ProgressInterest::Wanted, 7);
    written(&outgoing);
    let opening = legacy::back::initialize(&capabilities.profile);
    kit::message(&written(&opening));
}

fn written(outgoing: &Outgoing) -> Bytes {
    let bytes = jsonrpc::request(&Id::from(7), &outgoing.method, outgoing.params.as_ref());
    kit::message(&bytes);
    bytes
}

/// A request of ours is never refused for its envelope or its headers.
fn to_modern(caller: &Caller, method: &str, params: Option<&Raw>) {
    let encode = modern::back::Encode { caller, progress: ProgressInterest::Wanted, token: 7 };
    let outgoing = encode.request(method.to_owned().into(), &Params::of(params), &[], &Mirror::default());
    let body = written(&outgoing);
    // No real method is anything else, and HTTP could not carry it.
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_graphic()) {
        return;
    }
    let headers: HeaderMap = outgoing.headers.into_iter().collect();
    match classify(&headers, body, Limits { depth: DEPTH + 2, batch: 1 }) {
        Ok(arrival) => assert!(matches!(arrival, Arrival::Modern(_))),
        Err(refusal) => {
            let MessageBody::Error { error, .. } = kit::message(&refusal.body) else { panic!("a refusal is an error") };
            let caller_s_own = matches!(error.code, -32601 | -32602) || (error.code == -32020 && nameless(method, params));
            assert!(caller_s_own, "{} {}", error.code, error.message);
        }
    }
}

/// Without a name there is nothing to say in `Mcp-Name`; the server's refusal is the client's due.
fn nameless(method: &str, params: Option<&Raw>) -> bool {
    let key = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => "taskId",
    };
    params.and_then(|params| params.object().ok()).is_none_or(|params| params.text(key).is_none())
}
