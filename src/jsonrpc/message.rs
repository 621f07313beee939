//! Bytes to messages.

use bytes::Bytes;

use super::{ErrorObject, Id, Kind, Object, Raw, raw, scan::SyntaxError};

/// One JSON-RPC message. Payloads are slices of the buffer it was read from.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is.
    pub body: MessageBody,
}

/// The four things a message can be.
#[derive(Clone, Debug)]
pub enum MessageBody {
    /// Wants an answer.
    Request {
        /// The sender's id.
        id: Id,
        /// The method.
        method: String,
        /// The parameters: an object, or none.
        params: Option<Raw>,
    },
    /// Wants none.
    Notification {
        /// The method.
        method: String,
        /// The parameters: an object, or none.
        params: Option<Raw>,
    },
    /// The answer to a request.
    Response {
        /// The request's id.
        id: Id,
        /// The result: an object.
        result: Raw,
    },
    /// The refusal of a request.
    Error {
        /// The request's id; absent or null when it could not be read.
        id: Option<Id>,
        /// The error.
        error: ErrorObject,
    },
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON, too deep, or ambiguous: JSON-RPC -32700.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// JSON, but not one JSON-RPC message: -32600. Carries the id where it could be read.
    #[error("not a JSON-RPC 2.0 message: {reason}")]
    Shape {
        /// What is wrong, as a fragment for people.
        reason: &'static str,
        /// The id, if there is a usable one.
        id: Option<Id>,
    },
    /// An array: only 2025-03-26 has batches.
    #[error("a batch")]
    Batch,
}

impl Message {
    /// Reads one message.
    ///
    /// # Errors
    /// [`Malformed`]; a batch is an error here, see [`batch`].
    pub fn parse(text: Bytes, max_depth: usize) -> Result<Self, Malformed> {
        match Object::parse_text(&text, max_depth) {
            Ok(object) => Self::from_object(&object),
            Err(SyntaxError::NotAnObject) => match Raw::parse(text, max_depth)?.kind() {
                Kind::Array => Err(Malformed::Batch),
                _ => Err(Malformed::Shape { reason: "not an object", id: None }),
            },
            Err(error) => Err(Malformed::Syntax(error)),
        }
    }

    /// Reads a message from a value that is valid JSON already.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_raw(raw: &Raw) -> Result<Self, Malformed> {
        let object = match raw.object() {
            Ok(object) => object,
            Err(SyntaxError::NotAnObject) => return Err(Malformed::Shape { reason: "not an object", id: None }),
            Err(error) => return Err(Malformed::Syntax(error)),
        };
        Self::from_object(&object)
    }

    fn from_object(object: &Object) -> Result<Self, Malformed> {
        let body =
            body(object).map_err(|reason| Malformed::Shape { reason, id: object.get("id").and_then(Id::parse) })?;
        Ok(Self { body })
    }
}

/// The elements of a batch, each a message or not.
///
/// # Errors
/// [`Malformed::Syntax`] when the text is not JSON, [`Malformed::Shape`] when it is no array.
pub fn batch(text: Bytes, max_depth: usize) -> Result<Vec<Result<Message, Malformed>>, Malformed> {
    let raw = Raw::parse(text, max_depth)?;
    let elements = raw.elements().ok_or(Malformed::Shape { reason: "not an array", id: None })?;
    Ok(elements.iter().map(Message::from_raw).collect())
}

/// The members that JSON-RPC knows, found in one pass.
#[derive(Default)]
struct Parts<'a> {
    version: Option<&'a [u8]>,
    method: Option<&'a [u8]>,
    id: Option<Raw>,
    params: Option<Raw>,
    result: Option<Raw>,
    error: Option<Raw>,
}

impl<'a> Parts<'a> {
    fn of(object: &'a Object) -> Self {
        let mut parts = Self::default();
        for (name, member) in object.members() {
            match name {
                b"jsonrpc" => parts.version = object.text_of(member),
                b"method" => parts.method = object.text_of(member),
                b"id" => parts.id = Some(object.value_of(member)),
                b"params" => parts.params = Some(object.value_of(member)),
                b"result" => parts.result = Some(object.value_of(member)),
                b"error" => parts.error = Some(object.value_of(member)),
                _ => (),
            }
        }
        parts
    }
}

fn body(object: &Object) -> Result<MessageBody, &'static str> {
    let parts = Parts::of(object);
    if parts.version != Some(b"\"2.0\"") {
        return Err("`jsonrpc` must be \"2.0\"");
    }
    match parts.method {
        Some(method) => call(method, parts.id, parts.params),
        None => answer(parts),
    }
}

fn call(method: &[u8], id: Option<Raw>, params: Option<Raw>) -> Result<MessageBody, &'static str> {
    let method = std::str::from_utf8(method).ok().and_then(raw::text).ok_or("`method` must be a string")?.into_owned();
    if params.as_ref().is_some_and(|params| params.kind() != Kind::Object) {
        return Err("`params` must be an object");
    }
    match id {
        None => Ok(MessageBody::Notification { method, params }),
        Some(id) => {
            let id = Id::parse(id).ok_or("`id` must be a string or an integer")?;
            Ok(MessageBody::Request { id, method, params })
        }
    }
}

fn answer(parts: Parts<'_>) -> Result<MessageBody, &'static str> {
    let id = parts.id.filter(|id| id.kind() != Kind::Null);
    let id = id.map(|id| Id::parse(id).ok_or("`id` must be a string or an integer")).transpose()?;
    match (parts.result, parts.error) {
        (Some(result), None) if result.kind() == Kind::Object => {
            Ok(MessageBody::Response { id: id.ok_or("a result needs an `id`")?, result })
        }
        (Some(_), None) => Err("`result` must be an object"),
        (None, Some(error)) => {
            let error =
                ErrorObject::parse(&error).ok_or("`error` must have an integer `code` and a string `message`")?;
            Ok(MessageBody::Error { id, error })
        }
        (Some(_), Some(_)) => Err("both `result` and `error`"),
        (None, None) => Err("neither `method` nor `result` nor `error`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<MessageBody, Malformed> {
        Message::parse(Bytes::from_static(text.as_bytes()), 128).map(|message| message.body)
    }

    #[test]
    fn keeps_the_bytes_of_payloads() {
        let text =
            r#"{"params":{"a":1.10,"b":12345678901234567890123} ,"method":"m","id":7,"jsonrpc":"2.0","extra":0}"#;
        let MessageBody::Request { id, method, params } = parse(text).unwrap() else { panic!("a request") };
        assert_eq!((id, method.as_str()), (Id::from(7), "m"));
        assert_eq!(params.unwrap().as_str(), r#"{"a":1.10,"b":12345678901234567890123}"#);
    }

    #[test]
    fn tells_apart_what_json_rpc_tells_apart() {
        assert!(matches!(parse(r#"{"jsonrpc":"2.0","method":"m"}"#), Ok(MessageBody::Notification { .. })));
        assert!(matches!(parse(r#"{"jsonrpc":"2.0","id":"a","result":{}}"#), Ok(MessageBody::Response { .. })));
        assert!(matches!(
            parse(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#),
            Ok(MessageBody::Error { id: None, .. })
        ));
        assert!(matches!(parse("[]"), Err(Malformed::Batch)));
    }

    #[test]
    fn refuses_what_could_be_read_in_two_ways() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":99999999999,"message":""}}"#,
            r#"{"id":1,"method":"a"}"#,
            "1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn says_the_id_of_a_message_of_wrong_shape() {
        let refused = parse(r#"{"jsonrpc":"2.0","id":"x","method":5}"#);
        assert!(matches!(refused, Err(Malformed::Shape { id: Some(id), .. }) if id == Id::from("x")));
    }
}
