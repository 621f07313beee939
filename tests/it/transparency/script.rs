//! What is said in a generated conversation: requests of all kinds, some of them at once, and how the server behaves to each.

use proptest::prelude::*;

use crate::kit::Era;

/// Requests that are made one group after the other, those of a group at once.
pub(super) type Conversation = Vec<Vec<Exchange>>;

/// A request and what comes of it. All payloads are texts, so that not a byte is lost to a parser.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// A number or a string, without what makes it unique.
    pub(super) id: String,
    pub(super) request: Request,
    pub(super) wants_progress: bool,
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

/// What the client asks for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    /// Members of `params`, without braces.
    pub(super) members: String,
}

/// What the server does before it answers.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// So much more progress, in quarters.
    Progress(u32),
    Log(&'static str, String),
    /// The method and parameters of a question, and the client's answer.
    Question(&'static str, String, String),
}

/// How the server answers.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// Members of the result, without braces.
    Result(String),
    Error(i64, String, Option<String>),
}

const NUMBERS: [&str; 8] =
    ["0", "-0", "1.10", "1e2", "12345678901234567890123", "-1.5E-7", "9007199254740993", "0.30000000000000004"];
const TEXTS: [&str; 8] =
    ["", "plain", "naïve 世界 🦀", r"\u0041\n\t\\ \/", r"\ud83e\udd80", r#"\"quoted\""#, "\u{2028}\u{7f}", "a b"];

fn text() -> impl Strategy<Value = String> {
    (prop::sample::select(&TEXTS[..]), "[a-zé世]{0,4}").prop_map(|(fixed, free)| format!(r#""{fixed}{free}""#))
}

/// Any JSON, written in any way that is allowed.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
        prop::sample::select(&NUMBERS[..]).prop_map(str::to_owned),
        text(),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(" , "))),
            members(inner).prop_map(|members| format!("{{ {members} }}")),
        ]
    })
}

/// Members with names of their own, without braces.
fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(value, 0..4).prop_map(|values| {
        let named = values.iter().enumerate().map(|(at, value)| format!(r#""x-{at} é":{value}"#));
        named.collect::<Vec<_>>().join(",")
    })
}

fn object() -> impl Strategy<Value = String> {
    members(json()).prop_map(|members| format!("{{{members}}}"))
}

/// Members that nobody knows, after those that are known.
fn with_unknown(known: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (known, members(json())).prop_map(|(known, more)| if more.is_empty() { known } else { format!("{known},{more}") })
}

fn request() -> impl Strategy<Value = Request> {
    let call = with_unknown(object().prop_map(|arguments| format!(r#""name":"echo","arguments":{arguments}"#)));
    let prompt = with_unknown(text().prop_map(|text| format!(r#""name":"greet","arguments":{{"a":{text}}}"#)));
    let read = with_unknown(Just(r#""uri":"it://one""#.to_owned()));
    let completion = text().prop_map(|value| {
        format!(r#""ref":{{"type":"ref/prompt","name":"greet"}},"argument":{{"name":"a","value":{value}}}"#)
    });
    let own = members(json());
    prop_oneof![
        4 => call.prop_map(|members| Request { method: "tools/call", members }),
        1 => prompt.prop_map(|members| Request { method: "prompts/get", members }),
        1 => read.prop_map(|members| Request { method: "resources/read", members }),
        1 => completion.prop_map(|members| Request { method: "completion/complete", members }),
        1 => own.prop_map(|members| Request { method: "vendor/do", members }),
        1 => prop::sample::select(vec!["tools/list", "prompts/list", "resources/list"])
            .prop_map(|method| Request { method, members: String::new() }),
    ]
}

fn question() -> impl Strategy<Value = Step> {
    let form = (text(), object()).prop_map(|(message, more)| {
        let schema = r#"{"type":"object","properties":{"n":{"type":"number","default":1.10}}}"#;
        format!(r#"{{"message":{message},"requestedSchema":{schema},"x-ui":{more}}}"#)
    });
    let given = text().prop_map(|text| format!(r#"{{"action":"accept","content":{{"n":1e2,"t":{text}}}}}"#));
    let sampled = text().prop_map(|text| {
        format!(r#"{{"role":"assistant","content":{{"type":"text","text":{text}}},"model":"m","x":1.10}}"#)
    });
    prop_oneof![
        (form, given).prop_map(|(params, answer)| Step::Question("elicitation/create", params, answer)),
        (text(), sampled).prop_map(|(text, answer)| {
            let message = format!(r#"{{"role":"user","content":{{"type":"text","text":{text}}}}}"#);
            let params = format!(r#"{{"messages":[{message}],"maxTokens":7,"temperature":0.10}}"#);
            Step::Question("sampling/createMessage", params, answer)
        }),
        Just(Step::Question("roots/list", "{}".to_owned(), r#"{"roots":[{"uri":"file:///x"}]}"#.to_owned())),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u32..9).prop_map(Step::Progress),
        (prop::sample::select(vec!["debug", "info", "error"]), json()).prop_map(|(level, data)| Step::Log(level, data)),
        question(),
    ]
}

/// A result in which the members that both eras know are such as every revision can read.
fn end() -> impl Strategy<Value = End> {
    let content = (text(), object(), members(json())).prop_map(|(text, structured, more)| {
        let comma = if more.is_empty() { "" } else { "," };
        End::Result(format!(
            r#""content":[{{"type":"text","text":{text},"x":1.10}}],"structuredContent":{structured}{comma}{more}"#
        ))
    });
    let code = prop::sample::select(vec![-32602, -32603, -32001, 42, -1, 1001]);
    let failed =
        (code, text(), prop::option::of(json())).prop_map(|(code, message, data)| End::Error(code, message, data));
    prop_oneof![3 => content, 1 => failed]
}

/// The steps that a method has: only some are asked questions in either era, and lists are answered without any.
fn steps_of(request: &Request, steps: Vec<Step>, era: Era) -> Vec<Step> {
    let is_invoked = ["tools/call", "prompts/get", "resources/read"].contains(&request.method);
    let may_be_asked = is_invoked || (era == Era::Legacy && request.method == "vendor/do");
    let is_kept = |step: &Step| may_be_asked || !matches!(step, Step::Question(..));
    if request.method.ends_with("/list") { Vec::new() } else { steps.into_iter().filter(is_kept).collect() }
}

fn exchange(era: Era) -> impl Strategy<Value = Exchange> {
    let id = prop_oneof![(1u64..9_000_000_000_000).prop_map(|id| id.to_string()), text()];
    (id, request(), any::<bool>(), prop::collection::vec(step(), 0..4), end()).prop_map(
        move |(id, request, wants_progress, steps, end)| {
            let steps = steps_of(&request, steps, era);
            Exchange { id, request, wants_progress, steps, end }
        },
    )
}

/// Up to so many requests at once.
pub(super) fn conversation(era: Era, together: usize) -> impl Strategy<Value = Conversation> {
    prop::collection::vec(prop::collection::vec(exchange(era), 1..=together), 1..4)
}
