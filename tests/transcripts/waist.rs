//! The waist's types as lines of a transcript.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use myelin::{
    jsonrpc::{ErrorObject, Raw},
    mcp::{
        Ask, AskId, AskKind, CacheHint, CacheScope, Fault, Filter, Level, Limit, ListKind, Notice, Offer, Op, Outcome,
        Page, Rendering, UpstreamFault,
    },
};

/// What the waist says.
pub(crate) enum Said {
    Outcome(Outcome),
    Notice(Notice),
    Ask(Ask),
}

/// Text that is JSON.
pub(crate) fn raw(text: &str) -> Raw {
    Raw::parse(Bytes::from(text.to_owned()), 128).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Reads a line of the waist: a word, and what belongs to it.
pub(crate) fn say(line: &str) -> Said {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "progress" => Said::Notice(Notice::Progress(raw(rest))),
        "log" => Said::Notice(Notice::Log(Level::Info, raw(rest))),
        "changed" => Said::Notice(Notice::Changed(list(rest))),
        "updated" => Said::Notice(Notice::Updated(raw(rest).object().unwrap().text("uri").unwrap(), raw(rest))),
        "acknowledged" => Said::Notice(Notice::Acknowledged(Filter::parse(&raw(rest).object().unwrap()).unwrap())),
        "notice" => Said::Notice(Notice::Extension(rest.to_owned(), None)),
        "interrupted" => Said::Notice(Notice::Interrupted),
        "ask" => {
            let (method, params) = rest.split_once(' ').unwrap_or((rest, ""));
            let params = (!params.is_empty()).then(|| raw(params));
            Said::Ask(Ask { id: AskId(1), kind: AskKind::parse(method).unwrap(), params })
        }
        "fault" => Said::Outcome(Outcome::Failed(fault(rest))),
        _ => Said::Outcome(outcome(word, rest)),
    }
}

fn outcome(word: &str, rest: &str) -> Outcome {
    match word {
        "complete" => Outcome::Complete(raw(rest)),
        "cacheable" => {
            Outcome::Cacheable(raw(rest), CacheHint { ttl: Duration::from_secs(5), scope: CacheScope::Public })
        }
        "discovered" => {
            Outcome::Discovered(Arc::new(Offer::read(&raw(rest).object().unwrap(), Some("Be kind.".to_owned()))))
        }
        "input" => {
            let result = raw(rest);
            Outcome::InputRequired {
                requests: result.member("inputRequests"),
                state: Some("sealed".to_owned()),
                result,
            }
        }
        _ => Outcome::Listed(Arc::new(page(list(word), &raw(rest)))),
    }
}

fn page(kind: ListKind, of: &Raw) -> Page {
    let texts = |name| -> Vec<String> {
        of.member(name)
            .and_then(|list| list.elements())
            .unwrap_or_default()
            .iter()
            .filter_map(|text| text.text().map(String::from))
            .collect()
    };
    Page {
        kind,
        entries: of.member("entries").and_then(|entries| entries.elements()).unwrap(),
        next: of.object().unwrap().text("next"),
        missing: texts("missing"),
        unconnected: texts("unconnected").into_iter().map(|server: String| server.into()).collect(),
        // Stale at once, so that no clock shows in the transcript.
        stale: Vec::new(),
        fresh_until: None,
        scope: CacheScope::Private,
        renderings: Rendering::default(),
    }
}

fn list(name: &str) -> ListKind {
    ListKind::ALL.into_iter().find(|kind| kind.member() == name).unwrap_or_else(|| panic!("no list is called {name}"))
}

fn fault(name: &str) -> Fault {
    let (word, rest) = name.split_once(' ').unwrap_or((name, ""));
    match word {
        "invalid-params" => Fault::InvalidParams("the name or uri must be a string"),
        "header-mismatch" => Fault::HeaderMismatch(rest.to_owned()),
        "unknown-method" => Fault::UnknownMethod(rest.to_owned()),
        "unknown-tool" => Fault::UnknownTarget("tool", rest.to_owned()),
        "resource-not-found" => Fault::ResourceNotFound(rest.to_owned()),
        "bad-cursor" => Fault::BadCursor,
        "bad-state" => Fault::BadState("expired"),
        "missing-capability" => Fault::MissingCapability(raw(rest)),
        "limited" => Fault::Limited(Limit::Queue, Duration::from_millis(1500)),
        "upstream" => Fault::Upstream(ErrorObject::parse(&raw(rest)).unwrap()),
        "unavailable" => Fault::Broken(rest.into(), UpstreamFault::Unavailable),
        "timeout" => Fault::Broken(rest.into(), UpstreamFault::Timeout),
        "garbled" => Fault::Broken(rest.into(), UpstreamFault::Garbled),
        "unaudited" => Fault::Unaudited,
        "draining" => Fault::Draining,
        "internal" => Fault::Internal,
        _ => panic!("no fault is called {word}"),
    }
}

/// What is asked, in one line.
pub(crate) fn describe(op: &Op) -> String {
    match op {
        Op::Discover => "discover".to_owned(),
        Op::List(kind, cursor) => format!("list {} {cursor:?}", kind.member()),
        Op::Invoke(invoke) => {
            let answers = invoke.answers.as_ref().map_or("-", Raw::as_str);
            format!("{} {:?} answers {answers} state {:?}", invoke.verb.method(), invoke.target, invoke.state)
        }
        Op::Complete(completion) => format!("complete {:?}", completion.reference),
        Op::Listen(filter) => format!("listen {:?}", filter.to_raw()),
        Op::RootsChanged => "roots changed".to_owned(),
        Op::Task(task) => format!("task {} {}", task.act.method(), task.id),
        Op::Tasks(cursor) => format!("tasks {cursor:?}"),
        Op::Extension { method, params } => format!("extension {method} {params:?}"),
        Op::Tell { method, params } => format!("tell {method} {params:?}"),
    }
}
