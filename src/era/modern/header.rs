//! Headers of requests, each with one value at the most: several could be read in two ways.

use http::{HeaderMap, HeaderName};

use crate::{era::code, jsonrpc::ErrorObject, mcp::Mirrored};

/// The revision that a request is of.
pub(in crate::era) static PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The method in its body.
pub(super) static METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// What it is about.
pub(super) static NAME: HeaderName = HeaderName::from_static("mcp-name");

/// A header contradicts the body, or is missing.
pub(super) fn mismatch(reason: &str) -> ErrorObject {
    ErrorObject::new(code::HEADER_MISMATCH, reason)
}

/// The only value of a header.
pub(super) fn single_bytes<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, ErrorObject> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(http::HeaderValue::as_bytes);
    if values.next().is_some() { Err(mismatch(&format!("{name} is given more than once"))) } else { Ok(value) }
}

/// The only value of a header, as text without white space around it.
pub(in crate::era) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ErrorObject> {
    let Some(value) = single_bytes(headers, name)? else { return Ok(None) };
    let text = std::str::from_utf8(value).map_err(|_| mismatch(&format!("{name} is not text")))?;
    Ok(Some(text.trim_matches([' ', '\t'])))
}

/// Arguments that are mirrored into headers.
pub(super) fn mirrored(headers: &HeaderMap) -> Mirrored {
    let named = headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().strip_prefix("mcp-param-")?.to_owned(), value.as_bytes().to_vec()))
    });
    Mirrored::Headers(named.collect())
}
