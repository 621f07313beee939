//! The methods both eras share, over any server that offers them.
//!
//! It knows no era: what goes in are params, what comes out is a result before it is dressed.
//! Source: MCP 2026-07-28 tools, resources, prompts, completion, pagination.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::dress::{Freshness, Served};
use super::fault::Fault;
use super::offer::{Completion, Offer, Reference};
use super::rpc::{Object, object};
use super::tool::{Answer, Exchange, Misuse};

/// Entries per page of a list. More than these servers have, save for a user's own many notes.
const PAGE_SIZE: usize = 50;
/// The most values a completion may carry (MCP completion, "Completion Results").
const COMPLETION_LIMIT: usize = 100;

/// Serves a method of both eras.
///
/// # Errors
/// [`Fault::MethodNotFound`], also for a method behind a capability that is not declared, and what the method has.
pub(super) fn perform<S: Offer>(
    offer: &mut S,
    method: &str,
    params: &Object,
    exchange: &mut Exchange<'_>,
) -> Result<Served, Fault> {
    if !declared::<S>(method) {
        return Err(Fault::MethodNotFound { method: method.to_owned() });
    }
    match method {
        "tools/list" => list("tools", S::tools().iter().map(|tool| tool.card()).collect(), params, Freshness::Fixed),
        "tools/call" => call_tool(offer, params, exchange),
        "resources/list" => list("resources", offer.resources(), params, S::resource_freshness()),
        "resources/templates/list" => list("resourceTemplates", S::resource_templates(), params, Freshness::Fixed),
        "resources/read" => read_resource(offer, params),
        "prompts/list" => list("prompts", S::prompts(), params, Freshness::Fixed),
        "prompts/get" => prompt(offer, params),
        "completion/complete" => complete(offer, params),
        _ => Err(Fault::MethodNotFound { method: method.to_owned() }),
    }
}

/// Whether the capabilities cover a method.
pub(super) fn declared<S: Offer>(method: &str) -> bool {
    let capabilities = S::capabilities();
    let has = |pointer| capabilities.pointer(pointer).is_some();
    match method {
        "resources/subscribe" | "resources/unsubscribe" => has("/resources/subscribe"),
        "subscriptions/listen" => has("/resources/subscribe") || has("/resources/listChanged"),
        "logging/setLevel" => has("/logging"),
        "completion/complete" => has("/completions"),
        _ => match method.split_once('/') {
            Some(("tools", _)) => has("/tools"),
            Some(("resources", _)) => has("/resources"),
            Some(("prompts", _)) => has("/prompts"),
            _ => true,
        },
    }
}

/// A string member of the params.
///
/// # Errors
/// [`Fault::Param`].
pub(super) fn text_param<'a>(params: &'a Object, member: &'static str) -> Result<&'a str, Fault> {
    params.get(member).and_then(Value::as_str).ok_or(Fault::Param { member, expected: "a string" })
}

fn object_param<'a>(params: &'a Object, member: &'static str) -> Result<Option<&'a Object>, Fault> {
    let Some(value) = params.get(member) else { return Ok(None) };
    value.as_object().map(Some).ok_or(Fault::Param { member, expected: "an object" })
}

fn list(member: &str, items: Vec<Value>, params: &Object, freshness: Freshness) -> Result<Served, Fault> {
    let mut body = Object::new();
    let (page, next) = paginate(items, params.get("cursor"), PAGE_SIZE)?;
    body.insert(member.to_owned(), Value::Array(page));
    if let Some(next) = next {
        body.insert("nextCursor".to_owned(), Value::String(next));
    }
    Ok(Served { body, freshness })
}

fn paginate(
    mut items: Vec<Value>,
    cursor: Option<&Value>,
    page_size: usize,
) -> Result<(Vec<Value>, Option<String>), Fault> {
    let start = match cursor {
        None => 0,
        Some(cursor) => cursor_start(cursor, items.len()).ok_or(Fault::Cursor)?,
    };
    let end = start.saturating_add(page_size);
    let next = (end < items.len()).then(|| format!("from-{end}"));
    items.truncate(end);
    Ok((items.split_off(start.min(items.len())), next))
}

fn cursor_start(cursor: &Value, length: usize) -> Option<usize> {
    let start: usize = cursor.as_str()?.strip_prefix("from-")?.parse().ok()?;
    (0 < start && start < length).then_some(start)
}

fn call_tool<S: Offer>(offer: &mut S, params: &Object, exchange: &mut Exchange<'_>) -> Result<Served, Fault> {
    let name = text_param(params, "name")?;
    let given = object_param(params, "arguments")?.cloned().unwrap_or_default();
    let tool = S::tools().iter().find(|tool| tool.name() == name);
    let tool = tool.ok_or_else(|| Fault::UnknownTool { name: name.to_owned() })?;
    let arguments = tool.card().get("inputSchema").map(|schema| Arguments::read(given, schema));
    let answer = match arguments {
        Some(Ok(arguments)) => tool.call(offer, &arguments, exchange),
        Some(Err(misfit)) => Err(misfit.into()),
        None => return Err(Fault::UnknownTool { name: name.to_owned() }),
    };
    let body = answer.map_or_else(Misuse::into_body, Answer::into_body);
    Ok(Served { body, freshness: Freshness::None })
}

fn read_resource<S: Offer>(offer: &mut S, params: &Object) -> Result<Served, Fault> {
    let uri = text_param(params, "uri")?;
    let contents = offer.read_resource(uri).ok_or_else(|| Fault::UnknownResource { uri: uri.to_owned() })?;
    Ok(Served { body: object(json!({"contents": contents})), freshness: S::resource_freshness() })
}

fn prompt<S: Offer>(offer: &mut S, params: &Object) -> Result<Served, Fault> {
    let name = text_param(params, "name")?;
    let none = Object::new();
    let arguments = object_param(params, "arguments")?.unwrap_or(&none);
    Ok(Served { body: offer.prompt(name, arguments)?, freshness: Freshness::None })
}

fn complete<S: Offer>(offer: &mut S, params: &Object) -> Result<Served, Fault> {
    let wanted = read_completion(params)?;
    let mut values = offer.complete(&wanted)?;
    values.retain(|value| value.starts_with(wanted.prefix));
    let total = values.len();
    values.truncate(COMPLETION_LIMIT);
    let completion = json!({"values": values, "total": total, "hasMore": total > COMPLETION_LIMIT});
    Ok(Served { body: object(json!({"completion": completion})), freshness: Freshness::None })
}

fn read_completion(params: &Object) -> Result<Completion<'_>, Fault> {
    let reference = object_param(params, "ref")?.ok_or(Fault::Param { member: "ref", expected: "an object" })?;
    let argument = object_param(params, "argument")?;
    let argument = argument.ok_or(Fault::Param { member: "argument", expected: "an object" })?;
    let settled = object_param(params, "context")?.and_then(|context| context.get("arguments"));
    let reference = match text_param(reference, "type")? {
        "ref/prompt" => Reference::Prompt(text_param(reference, "name")?),
        "ref/resource" => Reference::Resource(text_param(reference, "uri")?),
        _ => return Err(Fault::Param { member: "ref.type", expected: "ref/prompt or ref/resource" }),
    };
    Ok(Completion {
        reference,
        argument: text_param(argument, "name")?,
        prefix: text_param(argument, "value")?,
        settled: settled.and_then(Value::as_object),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: u32) -> Vec<Value> {
        (0..count).map(Value::from).collect()
    }

    #[test]
    fn following_the_cursors_yields_every_item_once() {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let (page, next) = paginate(items(7), cursor.as_ref(), 3).unwrap();
            seen.extend(page);
            let Some(next) = next else { break };
            cursor = Some(Value::String(next));
        }
        assert_eq!(seen, items(7));
    }

    #[test]
    fn a_full_last_page_has_no_next_cursor() {
        assert_eq!(paginate(items(3), None, 3).unwrap(), (items(3), None));
        assert_eq!(paginate(Vec::new(), None, 3).unwrap(), (Vec::new(), None));
    }

    #[test]
    fn refuses_a_cursor_it_did_not_give_out() {
        for cursor in [json!(""), json!("3"), json!("from-0"), json!("from-7"), json!("from--1"), json!(3)] {
            assert_eq!(paginate(items(7), Some(&cursor), 3), Err(Fault::Cursor), "{cursor}");
        }
    }
}
