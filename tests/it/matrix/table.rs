//! Which cells cannot be carried, and what is said in them. `docs/matrix.md` prints this table.

use std::{fs, path::Path};

use super::{Cell, FEATURES, Seen, Servers};
use crate::kit::{Era, Wire};

/// A feature, and what its scenario shows to cross.
const CLAIMS: &[(&str, &str)] = &[
    ("call", "arguments and result byte for byte, with unknown members; one JSON answer"),
    ("paging", "every page of the server; a cursor that nobody gave is `-32602`"),
    ("errors", "code, message and data, in the words of the client's era; a failed tool; an unknown tool"),
    ("huge_payload", "4 MiB of arguments and 4 MiB of result"),
    ("progress", "each report in order, under the client's own token"),
    ("log", "messages of the call from the level on that the client set, and no others"),
    ("cancel", "the server is told in the way of its era and wire"),
    ("listen", "an update of a resource that was subscribed to"),
    ("list_changed", "a change of each list, and the new list to whoever asks then"),
    ("elicitation_form", "schema and content byte for byte"),
    ("elicitation_url", "the address; its id where the revision has one"),
    ("sampling", "request and answer byte for byte"),
    ("sampling_with_tools", "the same with tools, a choice, and content in a list"),
    ("roots", "the client's roots byte for byte"),
    ("multi_round", "three questions of three kinds, one after the other"),
    ("task", "the form of tasks that both sides speak, under sealed ids; otherwise an ordinary answer"),
    ("undeclared_question", "a question that the client did not declare is not put"),
    ("missing_capability", "a server that refuses (`-32021`) for want of a client's capability"),
    ("question_of_no_call", "a question of a shared server that names no call is not put to anybody"),
    ("taking_up_a_stream", "the rest of a call's stream that broke (`Last-Event-ID`)"),
    ("other_form_of_tasks", "a method of tasks that the client's own form lacks: `tasks/result`, or `tasks/update`"),
    ("unknown_task", "`tasks/get` with an id that the gateway did not give out"),
    ("unknown_method", "a method that only the server knows"),
    ("ping", "`ping` of the client"),
    ("set_level", "`logging/setLevel`"),
    ("subscribe_to_a_resource", "`resources/subscribe`"),
    ("listen_request", "`subscriptions/listen`"),
];

/// Cells that end in a refusal; what is `None` is any.
struct Refusal {
    feature: &'static str,
    client: Option<Era>,
    server: Option<Era>,
    servers: Option<Servers>,
    told: &'static str,
}

const fn of(feature: &'static str, client: Option<Era>, server: Option<Era>, told: &'static str) -> Refusal {
    Refusal { feature, client, server, servers: None, told }
}

const fn of_two(feature: &'static str, client: Era, told: &'static str) -> Refusal {
    Refusal { feature, client: Some(client), server: None, servers: Some(Servers::Two), told }
}

const LEGACY: Option<Era> = Some(Era::Legacy);
const MODERN: Option<Era> = Some(Era::Modern);

const REFUSALS: &[Refusal] = &[
    of(
        "undeclared_question",
        MODERN,
        MODERN,
        r#"the client: HTTP 200, `-32603` "The server asks for what this request did not declare""#,
    ),
    of(
        "undeclared_question",
        MODERN,
        LEGACY,
        r#"the client: HTTP 400, `-32021` "This call needs a client capability that was not declared", data `{"requiredCapabilities":{"elicitation":{}}}`"#,
    ),
    of(
        "undeclared_question",
        LEGACY,
        MODERN,
        r#"the client: a failed tool, "This call needs something that your client cannot do; the server wants these client capabilities: {"elicitation":{}}""#,
    ),
    of("undeclared_question", LEGACY, LEGACY, r#"the server: `-32602` "This question cannot be put to the client""#),
    of(
        "missing_capability",
        MODERN,
        None,
        r#"the client: HTTP 400, `-32021` "sampling is needed", data `{"requiredCapabilities":{"sampling":{}}}`"#,
    ),
    of(
        "missing_capability",
        LEGACY,
        None,
        r#"the client: a failed tool, "This call needs something that your client cannot do; the server wants these client capabilities: {"sampling":{}}""#,
    ),
    of("question_of_no_call", None, MODERN, "nobody"),
    of("question_of_no_call", None, LEGACY, r#"the server: `{"action":"cancel"}`"#),
    of("taking_up_a_stream", MODERN, None, "the client: HTTP 405, `Allow: POST`"),
    of("other_form_of_tasks", MODERN, None, r#"the client: HTTP 404, `-32601` "Method not found: tasks/result""#),
    of("other_form_of_tasks", LEGACY, None, r#"the client: HTTP 200, `-32601` "Method not found: tasks/update""#),
    of("unknown_task", MODERN, MODERN, r#"the client: HTTP 200, `-32602` "Unknown task: t-1""#),
    of("unknown_task", MODERN, LEGACY, r#"the client: HTTP 404, `-32601` "Method not found: tasks/get""#),
    of("unknown_task", LEGACY, MODERN, r#"the client: HTTP 200, `-32601` "Method not found: tasks/get""#),
    of("unknown_task", LEGACY, LEGACY, r#"the client: HTTP 200, `-32602` "Unknown task: t-1""#),
    of_two("unknown_method", Era::Modern, r#"the client: HTTP 404, `-32601` "Method not found: vendor/do""#),
    of_two("unknown_method", Era::Legacy, r#"the client: HTTP 200, `-32601` "Method not found: vendor/do""#),
    of("ping", MODERN, None, r#"the client: HTTP 404, `-32601` "Method not found: ping""#),
    of("set_level", MODERN, None, r#"the client: HTTP 404, `-32601` "Method not found: logging/setLevel""#),
    of(
        "subscribe_to_a_resource",
        MODERN,
        None,
        r#"the client: HTTP 404, `-32601` "Method not found: resources/subscribe""#,
    ),
    of("listen_request", LEGACY, None, r#"the client: HTTP 200, `-32601` "Method not found: subscriptions/listen""#),
];

impl Refusal {
    fn covers(&self, feature: &str, cell: Cell) -> bool {
        self.feature == feature
            && self.client.is_none_or(|era| era == cell.client)
            && self.server.is_none_or(|era| era == cell.server)
            && self.servers.is_none_or(|servers| servers == cell.servers)
    }
}

/// What must be seen in a cell.
pub(super) fn right(feature: &str, cell: Cell) -> Seen {
    match REFUSALS.iter().find(|refusal| refusal.covers(feature, cell)) {
        Some(refusal) => Err(refusal.told.to_owned()),
        None => Ok(()),
    }
}

const ERAS: [(Era, Era); 4] =
    [(Era::Modern, Era::Modern), (Era::Modern, Era::Legacy), (Era::Legacy, Era::Modern), (Era::Legacy, Era::Legacy)];

fn verdict(feature: &str, (client, server): (Era, Era)) -> &'static str {
    let carried = |servers| right(feature, Cell { client, server, wire: Wire::Http, servers }).is_ok();
    match (carried(Servers::One), carried(Servers::Two)) {
        (true, true) => "carried",
        (false, false) => "refused",
        (true, false) => "one server",
        (false, true) => "several servers",
    }
}

fn render() -> String {
    let mut text = "| feature | what crosses | modern to modern | modern to legacy | legacy to modern | legacy to legacy |\n|---|---|---|---|---|---|\n".to_owned();
    for (feature, claim) in CLAIMS {
        let verdicts = ERAS.map(|eras| verdict(feature, eras)).join(" | ");
        text.push_str(&format!("| {} | {claim} | {verdicts} |\n", feature.replace('_', " ")));
    }
    text.push_str("\n| refused | client | server | servers | who is told what |\n|---|---|---|---|---|\n");
    let era = |era: Option<Era>| era.map_or("any", |era| if era == Era::Modern { "modern" } else { "legacy" });
    for refusal in REFUSALS {
        let (client, server) = (era(refusal.client), era(refusal.server));
        let servers = if refusal.servers.is_some() { "several" } else { "any" };
        let feature = refusal.feature.replace('_', " ");
        text.push_str(&format!("| {feature} | {client} | {server} | {servers} | {} |\n", refusal.told));
    }
    text
}

#[test]
fn the_documentation_prints_this_table() {
    assert_eq!(CLAIMS.iter().map(|(feature, _)| *feature).collect::<Vec<_>>(), FEATURES);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/matrix.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- matrix -->\n").unwrap();
    let (found, after) = rest.split_once("<!-- /matrix -->").unwrap();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, format!("{before}<!-- matrix -->\n{}<!-- /matrix -->{after}", render())).unwrap();
    } else {
        assert_eq!(found, render(), "run `UPDATE_EXPECTED=1 cargo test --test it matrix::table`");
    }
}
