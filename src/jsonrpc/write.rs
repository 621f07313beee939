//! Messages to bytes, each written once into a buffer of the right size.

use bytes::Bytes;

use super::{ErrorObject, Id, Raw, quote};

/// A request.
pub fn request(id: &Id, method: &str, params: Option<&Raw>) -> Bytes {
    let mut out = start(method.len() + id.raw().bytes().len() + length(params));
    out.extend_from_slice(b",\"id\":");
    out.extend_from_slice(id.raw().bytes());
    finish_call(out, method, params)
}

/// A notification.
pub fn notification(method: &str, params: Option<&Raw>) -> Bytes {
    finish_call(start(method.len() + length(params)), method, params)
}

/// The answer to a request.
pub fn result_response(id: &Id, result: &Raw) -> Bytes {
    let mut out = start(id.raw().bytes().len() + result.bytes().len());
    out.extend_from_slice(b",\"id\":");
    out.extend_from_slice(id.raw().bytes());
    out.extend_from_slice(b",\"result\":");
    out.extend_from_slice(result.bytes());
    out.push(b'}');
    Bytes::from(out)
}

/// The refusal of a request. Without an id when it could not be read (2026-07-28: left out; legacy peers are sent `null` by passing it).
pub fn error_response(id: Option<&Raw>, error: &ErrorObject) -> Bytes {
    let body = error.raw();
    let mut out = start(length(id) + body.bytes().len());
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        out.extend_from_slice(id.bytes());
    }
    out.extend_from_slice(b",\"error\":");
    out.extend_from_slice(body.bytes());
    out.push(b'}');
    Bytes::from(out)
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
    let mut out = Vec::with_capacity(payload + 56);
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\"");
    out
}

fn finish_call(mut out: Vec<u8>, method: &str, params: Option<&Raw>) -> Bytes {
    out.extend_from_slice(b",\"method\":");
    quote(&mut out, method);
    if let Some(params) = params {
        out.extend_from_slice(b",\"params\":");
        out.extend_from_slice(params.bytes());
    }
    out.push(b'}');
    Bytes::from(out)
}

fn length(raw: Option<&Raw>) -> usize {
    raw.map_or(0, |raw| raw.bytes().len())
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
