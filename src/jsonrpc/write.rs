//! Messages to bytes, each written once into a buffer of just its size: then none of it is moved or kept track of when it is sent.

use bytes::Bytes;

use super::{ErrorObject, Id, Raw, quote};

const VERSION: &[u8] = b"{\"jsonrpc\":\"2.0\"";
const ID: &[u8] = b",\"id\":";
const METHOD: &[u8] = b",\"method\":";
const PARAMS: &[u8] = b",\"params\":";
const RESULT: &[u8] = b",\"result\":";
const ERROR: &[u8] = b",\"error\":";

/// A request.
pub fn request(id: &Id, method: &str, params: Option<&Raw>) -> Bytes {
    Bytes::from(write_request(id, method, params))
}

fn write_request(id: &Id, method: &str, params: Option<&Raw>) -> Vec<u8> {
    let mut out = start(ID.len() + id.raw().bytes().len() + rest_of_call(method, params));
    out.extend_from_slice(ID);
    out.extend_from_slice(id.raw().bytes());
    finish_call(out, method, params)
}

/// A notification.
pub fn notification(method: &str, params: Option<&Raw>) -> Bytes {
    Bytes::from(finish_call(start(rest_of_call(method, params)), method, params))
}

/// The answer to a request.
pub fn result_response(id: &Id, result: &Raw) -> Bytes {
    Bytes::from(write_result(id, result))
}

fn write_result(id: &Id, result: &Raw) -> Vec<u8> {
    let mut out = start(ID.len() + id.raw().bytes().len() + RESULT.len() + result.bytes().len() + 1);
    out.extend_from_slice(ID);
    out.extend_from_slice(id.raw().bytes());
    out.extend_from_slice(RESULT);
    out.extend_from_slice(result.bytes());
    out.push(b'}');
    out
}

/// The refusal of a request. Without an id when it could not be read (2026-07-28: left out; legacy peers are sent `null` by passing it).
pub fn error_response(id: Option<&Raw>, error: &ErrorObject) -> Bytes {
    Bytes::from(write_error(id, error))
}

fn write_error(id: Option<&Raw>, error: &ErrorObject) -> Vec<u8> {
    let body = error.raw();
    let mut out = start(member(ID, id) + ERROR.len() + body.bytes().len() + 1);
    if let Some(id) = id {
        out.extend_from_slice(ID);
        out.extend_from_slice(id.bytes());
    }
    out.extend_from_slice(ERROR);
    out.extend_from_slice(body.bytes());
    out.push(b'}');
    out
}

/// The message without line breaks, for a line of stdio or of SSE. In valid JSON raw line breaks stand only between tokens.
pub fn one_line(message: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &message).is_none() {
        return message;
    }
    Bytes::from(
        message.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect::<Vec<u8>>(),
    )
}

fn start(payload: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(VERSION.len() + payload);
    out.extend_from_slice(VERSION);
    out
}

/// What a method and parameters take; a method that needs escapes takes more.
fn rest_of_call(method: &str, params: Option<&Raw>) -> usize {
    METHOD.len() + method.len() + 2 + member(PARAMS, params) + 1
}

fn finish_call(mut out: Vec<u8>, method: &str, params: Option<&Raw>) -> Vec<u8> {
    out.extend_from_slice(METHOD);
    quote(&mut out, method);
    if let Some(params) = params {
        out.extend_from_slice(PARAMS);
        out.extend_from_slice(params.bytes());
    }
    out.push(b'}');
    out
}

fn member(name: &[u8], value: Option<&Raw>) -> usize {
    value.map_or(0, |value| name.len() + value.bytes().len())
}

/// A JSON array of these values.
pub fn array(values: impl IntoIterator<Item = Raw>) -> Raw {
    let mut out = vec![b'['];
    for value in values {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(value.bytes());
    }
    out.push(b']');
    Raw::trusted(Bytes::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_just_the_size_of_its_message() {
        let (id, value) = (Id::from(17), Raw::literal(r#"{"a":"\u0041"}"#));
        let error = ErrorObject::new(-32600, "no").with_data(value.clone());
        for written in [
            write_request(&id, "tools/call", Some(&value)),
            write_request(&Id::from("a"), "ping", None),
            write_result(&id, &value),
            write_error(Some(id.raw()), &error),
            write_error(None, &error),
        ] {
            assert_eq!(written.len(), written.capacity(), "{}", String::from_utf8_lossy(&written));
        }
    }
}
