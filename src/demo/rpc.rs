//! JSON-RPC 2.0 messages, sorted by what the server has to do with them.
//!
//! Ids keep their JSON type. Nothing here knows a method or an era.
//! Source: MCP 2026-07-28 basic, "Messages"; JSON-RPC 2.0.

use serde_json::{Map, Value, json};

use super::fault::Fault;

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// A call that wants an answer.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Object,
}

/// A message from the client.
#[derive(Debug)]
pub(super) enum Inbound {
    Request(Request),
    Notification {
        method: String,
        params: Object,
    },
    /// An answer to a question; these servers never ask one.
    Response,
}

/// Why a message is no message; the id is there if it could be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) id: Option<Value>,
    pub(super) fault: Fault,
}

impl Inbound {
    /// Sorts one JSON value.
    ///
    /// # Errors
    /// [`Unreadable`] with [`Fault::InvalidRequest`] for anything that is not one JSON-RPC 2.0 message.
    pub(super) fn parse(message: Value) -> Result<Self, Unreadable> {
        let Value::Object(mut members) = message else {
            return Err(Unreadable { id: None, fault: Fault::InvalidRequest });
        };
        let id = members.remove("id");
        let readable_id = id.clone().filter(is_id);
        let refuse = || Unreadable { id: readable_id.clone(), fault: Fault::InvalidRequest };
        if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(refuse());
        }
        let Some(method) = members.remove("method") else {
            return if is_response(&members) { Ok(Self::Response) } else { Err(refuse()) };
        };
        let Value::String(method) = method else { return Err(refuse()) };
        let params = match members.remove("params") {
            None => Object::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(refuse()),
        };
        match id {
            None => Ok(Self::Notification { method, params }),
            Some(id) if is_id(&id) => Ok(Self::Request(Request { id, method, params })),
            Some(_) => Err(refuse()),
        }
    }
}

fn is_response(members: &Object) -> bool {
    members.contains_key("result") || members.contains_key("error")
}

/// A string or an integer; `null` and fractions are no ids.
pub(super) fn is_id(value: &Value) -> bool {
    value.is_string() || value.is_i64() || value.is_u64()
}

/// A successful answer.
pub(super) fn result(id: &Value, result: Object) -> Value {
    let mut message = object(json!({"jsonrpc": "2.0", "id": id}));
    message.insert("result".to_owned(), Value::Object(result));
    Value::Object(message)
}

/// A notification.
pub(super) fn notification(method: &str, params: Object) -> Value {
    let mut message = object(json!({"jsonrpc": "2.0", "method": method}));
    if !params.is_empty() {
        message.insert("params".to_owned(), Value::Object(params));
    }
    Value::Object(message)
}

/// Turns a literal into an object; what is not an object becomes an empty one.
pub(super) fn object(value: Value) -> Object {
    match value {
        Value::Object(members) => members,
        _ => Object::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_null_and_a_fractional_id() {
        for id in [json!(null), json!(1.5), json!([1])] {
            let message = json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
            assert!(Inbound::parse(message).is_err());
        }
    }

    #[test]
    fn keeps_the_id_of_a_request_it_refuses() {
        let message = json!({"jsonrpc": "2.0", "id": "7", "method": "ping", "params": [1]});
        assert_eq!(Inbound::parse(message).unwrap_err().id, Some(json!("7")));
    }

    #[test]
    fn an_answer_from_the_client_is_told_from_a_request() {
        let message = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
        assert!(matches!(Inbound::parse(message), Ok(Inbound::Response)));
    }
}
