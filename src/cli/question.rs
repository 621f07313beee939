//! A server's question to whoever runs the command: asked on the terminal when there is one, declined otherwise.
//!
//! Source: 2026-07-28 client/elicitation, form mode.

use std::io::{BufRead, Write, stderr, stdin};

use myelin::{
    jsonrpc::{ErrorObject, Raw},
    mcp::{Answer, AskKind, Unanswered},
};
use serde_json::{Map, Value, json};

use super::{
    form::{Field, fields},
    terminal::{BOLD, DIM, WARNING, can_ask, plain},
};

/// JSON-RPC 2.0: the method does not exist.
const METHOD_NOT_FOUND: i64 = -32601;
/// How often one field may be answered wrongly.
const TRIES: usize = 3;

/// Answers a question.
pub(super) async fn answer(kind: AskKind, params: Option<&Raw>) -> Answer {
    if kind != AskKind::Elicit {
        return Err(Unanswered::NotPut(ErrorObject::new(METHOD_NOT_FOUND, "a command line answers forms only")));
    }
    let params: Value = params.and_then(|params| serde_json::from_str(params.as_str()).ok()).unwrap_or_default();
    let is_form = params.get("mode").is_none_or(|mode| mode == "form");
    if !is_form || !can_ask() {
        let message = params.get("message").and_then(Value::as_str).unwrap_or_default();
        anstream::eprintln!("{WARNING}declined:{WARNING:#} the server asks: {}", plain(message));
        return Ok(Raw::from_value(&json!({ "action": "decline" })));
    }
    // A person may take minutes, and the connection must be kept alive meanwhile.
    let asked = tokio::task::spawn_blocking(move || ask(&params, &mut stdin().lock()));
    let answer = asked.await.unwrap_or_else(|_| json!({ "action": "cancel" }));
    Ok(Raw::from_value(&answer))
}

fn ask(params: &Value, input: &mut impl BufRead) -> Value {
    let message = params.get("message").and_then(Value::as_str).unwrap_or_default();
    anstream::eprintln!("{BOLD}{}{BOLD:#} {DIM}(end the input to decline){DIM:#}", plain(message));
    let mut content = Map::new();
    for field in fields(params.get("requestedSchema").unwrap_or(&Value::Null)) {
        match fill(&field, input) {
            Filled::Value(value) => drop(content.insert(field.name, value)),
            Filled::Nothing => {}
            Filled::Declined => return json!({ "action": "decline" }),
            Filled::Cancelled => return json!({ "action": "cancel" }),
        }
    }
    json!({ "action": "accept", "content": content })
}

enum Filled {
    Value(Value),
    Nothing,
    Declined,
    Cancelled,
}

fn fill(field: &Field, input: &mut impl BufRead) -> Filled {
    for _ in 0..TRIES {
        anstream::eprint!("  {}: ", field.prompt());
        let _ = stderr().flush();
        let mut line = String::new();
        match input.read_line(&mut line) {
            Ok(0) | Err(_) => {
                anstream::eprintln!();
                return Filled::Declined;
            }
            Ok(_) => {}
        }
        match field.read(line.trim()) {
            Ok(Some(value)) => return Filled::Value(value),
            Ok(None) => return Filled::Nothing,
            Err(wanted) => anstream::eprintln!("  {WARNING}write {wanted}{WARNING:#}"),
        }
    }
    Filled::Cancelled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(input: &str) -> Value {
        let schema = json!({
            "properties": { "name": {"type": "string"}, "age": {"type": "integer"}, "news": {"type": "boolean", "default": true} },
            "required": ["name"],
        });
        ask(&json!({ "message": "Who?", "requestedSchema": schema }), &mut input.as_bytes())
    }

    #[test]
    fn a_form_is_filled_in_field_by_field() {
        assert_eq!(
            answered("Ada\n36\n\n"),
            json!({"action": "accept", "content": {"name": "Ada", "age": 36, "news": true}})
        );
    }

    #[test]
    fn an_optional_field_may_stay_empty_and_a_wrong_answer_is_asked_again() {
        assert_eq!(
            answered("\nAda\nold\n\nno\n"),
            json!({"action": "accept", "content": {"name": "Ada", "news": false}})
        );
    }

    #[test]
    fn the_end_of_the_input_declines_and_endless_nonsense_cancels() {
        assert_eq!(answered("Ada\n"), json!({"action": "decline"}));
        assert_eq!(answered("Ada\nx\ny\nz\n"), json!({"action": "cancel"}));
    }
}
