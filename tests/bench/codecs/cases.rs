//! The table of cases: a name, the bytes it reads, and the code whose cost is asked. Add a row to its group.
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use myelin::era::classify::{Arrival, Limits, classify};
use myelin::era::{legacy, modern};
use myelin::jsonrpc::{self, MAX_DEPTH, Message, MessageBody, Raw};
use myelin::mcp::{Caller, Mirror, Outcome, Params, Principal, ProgressInterest, Verb, decode_value, encode_value};
use myelin::seal::{KeyRing, Purpose};
use myelin::sse;
use std::hint::black_box;

/// One thing whose cost is asked.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Length of the input, for the eye: cost should grow no faster.
    pub(crate) bytes: usize,
    pub(crate) run: Box<dyn FnMut()>,
}

/// A case that runs `code` on `input` and keeps the compiler from dropping its result.
fn case<T>(name: &'static str, input: &[u8], mut code: impl FnMut(&Bytes) -> T + 'static) -> Case {
    let input = Bytes::copy_from_slice(input);
    Case { name, bytes: input.len(), run: Box::new(move || drop(black_box(code(black_box(&input))))) }
}

const MODERN_CALL: &str = r#"{"jsonrpc":"2.0","id":4711,"method":"tools/call","params":{"name":"echo","arguments":{"nonce":"0000a1b2-1267","text":"The quick brown fox jumps over the lazy dog."},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"load","version":"1.0.0"}}}}"#;
const LEGACY_CALL: &str = r#"{"jsonrpc":"2.0","id":4711,"method":"tools/call","params":{"name":"echo","arguments":{"nonce":"0000a1b2-1267","text":"The quick brown fox jumps over the lazy dog."}}}"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":4711,"result":{"resultType":"complete","content":[{"type":"text","text":"0000a1b2-1267"}],"structuredContent":{"nonce":"0000a1b2-1267","text":"The quick brown fox jumps over the lazy dog."},"isError":false}}"#;
const LIMITS: Limits = Limits { depth: MAX_DEPTH, batch: 50 };

/// Every case. A group is built when it is reached, and the tokens come last: their key's first random bytes cost
/// more than all the rest.
pub(crate) fn cases() -> impl Iterator<Item = Case> {
    const GROUPS: [fn() -> Vec<Case>; 7] = [baseline, envelope, streams, values, modern_era, legacy_era, tokens];
    GROUPS.into_iter().flat_map(|group| group())
}

/// What the general-purpose parser costs on the same bytes: the yardstick.
fn baseline() -> Vec<Case> {
    vec![
        case("serde_json: call to Value", MODERN_CALL.as_bytes(), |text| {
            serde_json::from_slice::<serde_json::Value>(text)
        }),
        case("serde_json: list of 50 to Value", list(50).as_bytes(), |text| {
            serde_json::from_slice::<serde_json::Value>(text)
        }),
    ]
}

fn envelope() -> Vec<Case> {
    let (_, params) = request(MODERN_CALL);
    let (id, result) = response(ANSWER);
    let (first_half, _) = MODERN_CALL.as_bytes().split_at(MODERN_CALL.len() / 2);
    vec![
        case("jsonrpc: parse call", MODERN_CALL.as_bytes(), |text| Message::parse(text.clone(), MAX_DEPTH)),
        case("jsonrpc: parse answer", ANSWER.as_bytes(), |text| Message::parse(text.clone(), MAX_DEPTH)),
        case("jsonrpc: parse list of 50", list(50).as_bytes(), |text| Message::parse(text.clone(), MAX_DEPTH)),
        case("jsonrpc: refuse half a call", first_half, |text| Message::parse(text.clone(), MAX_DEPTH)),
        case("jsonrpc: splice one member", params.clone().bytes(), move |_| {
            params.object().map(|object| object.edit().set("name", Raw::string("up__echo")).finish())
        }),
        case("jsonrpc: write answer", result.clone().bytes(), move |_| jsonrpc::result_response(&id, &result)),
    ]
}

fn streams() -> Vec<Case> {
    let event = sse::encode(Bytes::from_static(ANSWER.as_bytes()), None);
    let (head, tail) = event.split_at(event.len() / 2);
    let (head, tail) = (Bytes::copy_from_slice(head), Bytes::copy_from_slice(tail));
    vec![
        case("sse: encode answer", ANSWER.as_bytes(), |text| sse::encode(text.clone(), None)),
        case("sse: split one event", &event, |text| {
            let mut parser = sse::Parser::new(1 << 20);
            parser.push(text);
            parser.next_event()
        }),
        case("sse: split one event in two pieces", &event, move |_| {
            let mut parser = sse::Parser::new(1 << 20);
            parser.push(&head);
            let nothing = parser.next_event();
            parser.push(&tail);
            (nothing, parser.next_event())
        }),
    ]
}

fn values() -> Vec<Case> {
    const PLAIN: &str = "search_records_017";
    const ENCODED: &str = "=?base64?SGVsbG8sIOS4lueVjA==?=";
    vec![
        case("header value: encode plain", PLAIN.as_bytes(), |_| encode_value(black_box(PLAIN)).len()),
        case("header value: encode base64", "Hello, 世界".as_bytes(), |_| {
            encode_value(black_box("Hello, 世界")).len()
        }),
        case("header value: decode base64", ENCODED.as_bytes(), |text| decode_value(text).map(|value| value.len())),
    ]
}

fn tokens() -> Vec<Case> {
    const CONTENT: &[u8] = br#"{"upstream":"up","session":"bench-00000001","principal":"anonymous"}"#;
    let ring = || KeyRing::new(["a secret that only a bench has"]).expect("the machine has randomness");
    let (sealing, opening) = (ring(), ring());
    let token = sealing.seal(Purpose::Session, CONTENT).expect("the machine has randomness");
    vec![
        case("seal: seal a session", CONTENT, move |content| sealing.seal(Purpose::Session, content)),
        case("seal: open a session", token.clone().as_bytes(), move |_| opening.open(Purpose::Session, &token)),
    ]
}

fn modern_era() -> Vec<Case> {
    let headers = modern_headers();
    let ticket = match classify(&headers, Bytes::from_static(MODERN_CALL.as_bytes()), LIMITS) {
        Ok(Arrival::Modern(request)) => request.ticket,
        other => unreachable!("the fixture is a modern request, not {other:?}"),
    };
    let (caller, back_caller) = (anonymous(), anonymous());
    let (_, params) = request(MODERN_CALL);
    let found = Params::of(Some(&params));
    let (_, result) = response(ANSWER);
    let outcome = Outcome::Complete(result.clone());
    vec![
        case("modern front: classify and decode call", MODERN_CALL.as_bytes(), move |text| {
            classify(&headers, text.clone(), LIMITS)
        }),
        case("modern front: encode outcome", result.bytes(), move |_| modern::front::outcome(&ticket, &outcome)),
        case("modern back: encode call", params.bytes(), move |_| {
            let encode = modern::back::Encode { caller: &caller, progress: ProgressInterest::Unwanted, token: 4711 };
            let outgoing = encode.request("tools/call".into(), &found, &[], &Mirror::default());
            (outgoing.headers.len(), outgoing.params)
        }),
        case("modern back: decode answer", ANSWER.as_bytes(), |text| {
            Message::parse(text.clone(), MAX_DEPTH).map(modern::back::decode)
        }),
        case("modern back: judge outcome", result.clone().bytes(), move |_| {
            modern::back::outcome(Some(Verb::CallTool), &back_caller, Ok(result.clone()))
        }),
    ]
}

fn legacy_era() -> Vec<Case> {
    let (_, params) = request(LEGACY_CALL);
    let found = Params::of(Some(&params));
    let (_, result) = response(ANSWER);
    vec![
        case("legacy front: decode call", LEGACY_CALL.as_bytes(), |text| {
            Message::parse(text.clone(), MAX_DEPTH).map(legacy::front::decode)
        }),
        case("legacy back: encode call", params.bytes(), move |_| {
            legacy::back::request("tools/call".into(), &found, &[], ProgressInterest::Unwanted, 4711).params
        }),
        case("legacy back: judge outcome", result.clone().bytes(), move |_| {
            legacy::back::outcome(Some(Verb::CallTool), Ok(result.clone()))
        }),
    ]
}

fn anonymous() -> Caller {
    Caller::of(Principal::anonymous())
}

fn modern_headers() -> HeaderMap {
    const HEADERS: [(&str, &str); 6] = [
        ("host", "127.0.0.1:8808"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ];
    HEADERS.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn message(text: &'static str) -> MessageBody {
    Message::parse(Bytes::from_static(text.as_bytes()), MAX_DEPTH).expect("the fixture is a message").body
}

fn request(text: &'static str) -> (jsonrpc::Id, Raw) {
    match message(text) {
        MessageBody::Request { id, params: Some(params), .. } => (id, params),
        other => unreachable!("the fixture is a request with params, not {other:?}"),
    }
}

fn response(text: &'static str) -> (jsonrpc::Id, Raw) {
    match message(text) {
        MessageBody::Response { id, result } => (id, result),
        other => unreachable!("the fixture is a response, not {other:?}"),
    }
}

/// A `tools/list` answer of `count` tools of about 300 bytes.
fn list(count: usize) -> String {
    let tools: Vec<String> = (0..count)
        .map(|number| {
            format!(
                r#"{{"name":"search_records_{number:03}","description":"Searches collection {number} and returns the matching records, newest first.","inputSchema":{{"type":"object","properties":{{"query":{{"type":"string","description":"Words to look for"}},"limit":{{"type":"integer","minimum":1,"maximum":100,"default":20}},"archived":{{"type":"boolean"}}}},"required":["query"]}}}}"#
            )
        })
        .collect();
    let tools = tools.join(",");
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"complete","ttlMs":60000,"cacheScope":"public","tools":[{tools}]}}}}"#
    )
}
