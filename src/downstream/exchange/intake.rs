//! Reading requests: what they accept, and their body within its limits.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::downstream::settings::HttpSettings;

/// Which forms of answer a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepts {
    pub(super) json: bool,
    pub(super) stream: bool,
    /// The stream is named first: legacy clients that do so are answered with one even where a message would do.
    pub(super) prefers_stream: bool,
}

/// Both forms of answer (2025-11-25 and 2026-07-28 basic/transports).
const USUAL: &str = "application/json, text/event-stream";

impl Accepts {
    const EVERYTHING: Self = Self { json: true, stream: true, prefers_stream: false };

    /// A missing header accepts everything (RFC 9110, section 12.5.1).
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::ACCEPT).iter().peekable();
        if values.peek().is_none() {
            return Self::EVERYTHING;
        }
        let mut accepts = Self { json: false, stream: false, prefers_stream: false };
        for value in values {
            // As the specification writes it, and so nearly all clients.
            if value == USUAL {
                accepts = Self { json: true, stream: true, prefers_stream: false };
                continue;
            }
            for range in value.to_str().unwrap_or_default().split(',') {
                match range.split(';').next().map(str::trim) {
                    Some("*/*") => return Self::EVERYTHING,
                    Some("application/json" | "application/*") => accepts.json = true,
                    Some("text/event-stream" | "text/*") => {
                        accepts.prefers_stream = !accepts.json;
                        accepts.stream = true;
                    }
                    _ => (),
                }
            }
        }
        accepts
    }
}

/// Why a body is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    TooLarge,
    TooSlow,
    Broken,
}

impl Unreadable {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::TooLarge => "The body is larger than this gateway accepts",
            Self::TooSlow => "The body did not arrive in time",
            Self::Broken => "The body did not arrive whole",
        }
    }
}

/// Whether the content is JSON as it stands.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let says_json = |kind: &HeaderValue| {
        // Nearly all say it so.
        if kind == "application/json" {
            return true;
        }
        let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    };
    let is_plain = headers.get(header::CONTENT_ENCODING).is_none_or(|coding| coding.as_bytes() == b"identity");
    headers.get(header::CONTENT_TYPE).is_some_and(says_json) && is_plain
}

/// The whole body, within its limits of size and time.
pub(super) async fn read(body: Incoming, limits: &HttpSettings) -> Result<Bytes, Unreadable> {
    if body.size_hint().lower() > u64::try_from(limits.max_body_bytes).unwrap_or(u64::MAX) {
        return Err(Unreadable::TooLarge);
    }
    let mut collecting = pin!(collect(body, limits.max_body_bytes));
    // Most came with their headers, and need no clock.
    match poll_fn(|context| Poll::Ready(collecting.as_mut().poll(context))).await {
        Poll::Ready(collected) => collected,
        Poll::Pending => timeout(limits.body_timeout, collecting).await.map_err(|_| Unreadable::TooSlow)?,
    }
}

/// The usual body of one piece is not copied.
async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Unreadable> {
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unreadable::Broken)?.into_data() else { continue };
        let length = rest.as_ref().map_or(first.len(), BytesMut::len) + data.len();
        if length > limit {
            return Err(Unreadable::TooLarge);
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&data),
            None if first.is_empty() => first = data,
            None => rest = Some([&first[..], &data[..]].concat().as_slice().into()),
        }
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_says_so_in_text_and_comes_as_it_is() {
        let of = |kind: &[u8], coding: Option<&'static str>| {
            let kind = [(header::CONTENT_TYPE, HeaderValue::from_bytes(kind).unwrap())];
            let coding = coding.map(|coding| (header::CONTENT_ENCODING, HeaderValue::from_static(coding)));
            is_json(&kind.into_iter().chain(coding).collect())
        };
        assert!(of(b"application/json", None) && of(b"application/json", Some("identity")));
        assert!(of(b" Application/JSON ; charset=utf-8", None));
        for kind in [&b"application/json-seq"[..], b"text/plain", b"", b"application/json; charset=\xff"] {
            assert!(!of(kind, None), "{kind:?}");
        }
        assert!(!of(b"application/json", Some("gzip")) && !is_json(&HeaderMap::new()));
    }

    #[test]
    fn reads_what_clients_accept() {
        let of = |text: &'static str| {
            Accepts::read(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(text))]))
        };
        let accepts = |json, stream, prefers_stream| Accepts { json, stream, prefers_stream };
        assert_eq!(of("application/json, text/event-stream"), accepts(true, true, false));
        assert_eq!(of("text/event-stream;q=0.5, application/json"), accepts(true, true, true));
        assert_eq!(of("text/html"), accepts(false, false, false));
        assert_eq!(Accepts::read(&HeaderMap::new()), accepts(true, true, false));
    }
}
