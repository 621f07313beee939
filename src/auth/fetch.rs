//! What issuers and other authorities are asked, and how: the contract of the fetcher that `app` hands in.

use std::{
    fs::File,
    future::Future,
    io::{self, Read},
    net::IpAddr,
    path::{Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

use crate::redact::Redacted;

/// How long a fetch may take in all where nothing else is said: a client waits for it with its first request.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A token in a file is not longer than one in a header.
const MAX_TOKEN_BYTES: u64 = 16 << 10;

/// Reaches issuers and other authorities.
pub trait Fetch: Send + Sync {
    /// Sends a request; whatever status comes is an answer. Follows no redirect. The content is bounded by the fetcher.
    ///
    /// # Cancel safety
    /// Dropping the future gives the request up; it may have been acted on.
    fn send(&self, request: FetchRequest) -> Fetched<'_>;
}

/// A request on its way.
pub type Fetched<'a> = Pin<Box<dyn Future<Output = Result<FetchAnswer, FetchFault>> + Send + 'a>>;

/// What is asked.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// Where: an address that [`may_be_fetched`].
    pub url: String,
    /// With what content; this decides the method.
    pub content: FetchContent,
    /// By whom.
    pub credential: FetchCredential,
    /// PEM file of the authorities to trust instead of the machine's.
    pub ca: Option<PathBuf>,
    /// How long it may take in all.
    pub patience: Duration,
    /// The configured address whose messages named `url`; the operator did when absent.
    pub named_by: Option<String>,
}

/// What a request has as `Authorization`.
#[derive(Clone, Debug)]
pub enum FetchCredential {
    /// Nothing.
    None,
    /// This.
    Header(Redacted<String>),
    /// The token in a file, which is read for each request: others change it.
    BearerFile(PathBuf),
}

/// The content of a request. It may hold a token, so that it does not print.
#[derive(Clone, Debug)]
pub enum FetchContent {
    /// GET.
    None,
    /// POST of `application/x-www-form-urlencoded`.
    Form(Redacted<String>),
    /// POST of `application/json`.
    Json(Redacted<String>),
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct FetchAnswer {
    /// The status, whatever it is.
    pub status: StatusCode,
    /// What came before the content.
    pub headers: HeaderMap,
    /// The content.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFault {
    /// The address is none, or not one that may be fetched.
    #[error("the address is not one that is fetched")]
    Address,
    /// Nobody answered in time, or not as was to be expected.
    #[error("no usable answer")]
    NoAnswer,
    /// The gateway's own credential cannot be read.
    #[error("the gateway's own credential cannot be read")]
    Credential,
    /// The content is not what it should be.
    #[error("the content is not what it should be")]
    Content,
}

impl FetchRequest {
    /// A GET with nothing special about it.
    pub const fn get(url: String) -> Self {
        Self {
            url,
            content: FetchContent::None,
            credential: FetchCredential::None,
            ca: None,
            patience: PATIENCE,
            named_by: None,
        }
    }

    /// The same to an address that a message from `by` named: it is not trusted to lead anywhere but to public hosts.
    #[must_use]
    pub fn named_by(self, by: &str) -> Self {
        Self { named_by: Some(by.to_owned()), ..self }
    }

    /// The content of a 200 answer.
    ///
    /// # Errors
    /// [`FetchFault`], also where another status came.
    pub(super) async fn content_from(self, fetch: &dyn Fetch) -> Result<Bytes, FetchFault> {
        let answer = fetch.send(self).await?;
        if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(FetchFault::NoAnswer) }
    }
}

impl FetchCredential {
    /// The name and secret of a client. Both are form-encoded first (RFC 6749 section 2.3.1).
    pub fn basic(id: &str, secret: &Redacted<String>) -> Self {
        let mut pair = String::new();
        form_encode(id, &mut pair);
        pair.push(':');
        form_encode(secret.expose(), &mut pair);
        Self::Header(Redacted::new(format!("Basic {}", STANDARD.encode(Redacted::new(pair).expose()))))
    }
}

impl FetchContent {
    /// A form of these fields, encoded.
    ///
    /// Source: WHATWG URL, application/x-www-form-urlencoded serializing.
    pub fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::new();
        for (name, value) in fields {
            if !text.is_empty() {
                text.push('&');
            }
            form_encode(name, &mut text);
            text.push('=');
            form_encode(value, &mut text);
        }
        Self::Form(Redacted::new(text))
    }

    /// The media type, and the bytes; none of both for a GET.
    pub const fn encoded(&self) -> Option<(&'static str, &Redacted<String>)> {
        match self {
            Self::None => None,
            Self::Form(text) => Some(("application/x-www-form-urlencoded", text)),
            Self::Json(text) => Some(("application/json", text)),
        }
    }
}

/// `text` as one name or value of a form.
pub fn form_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    form_encode(text, &mut out);
    out
}

/// Appends `text` as one name or value of a form.
fn form_encode(text: &str, out: &mut String) {
    use std::fmt::Write;
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}

/// The token in a file as `Authorization`, marked so that no dump shows it. Read each time: others change the file.
///
/// # Errors
/// The file cannot be read, or holds no header text.
pub async fn bearer_of(path: &Path) -> io::Result<HeaderValue> {
    let path = path.to_owned();
    let read = move || {
        let mut token = String::new();
        File::open(path)?.take(MAX_TOKEN_BYTES).read_to_string(&mut token)?;
        io::Result::Ok(Redacted::new(token))
    };
    let token = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
    let text = Redacted::new(format!("Bearer {}", token.expose().trim()));
    let mut value = HeaderValue::from_str(text.expose()).map_err(io::Error::other)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether an answer from there can be trusted: over TLS, or from this very machine (RFC 8414 section 3).
pub fn may_be_fetched(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    match url.scheme_str() {
        Some("https") => true,
        Some("http") => is_here,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_so_that_no_value_becomes_a_second_field() {
        let content = FetchContent::form([("token", "a&b=c d+ä"), ("hint", "*-._")]);
        let (kind, text) = content.encoded().unwrap();
        assert_eq!(kind, "application/x-www-form-urlencoded");
        assert_eq!(text.expose(), "token=a%26b%3Dc+d%2B%C3%A4&hint=*-._");
        assert!(!format!("{content:?}").contains("a%26b"), "a token does not print");
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for (url, may) in [
            ("https://idp.example/keys", true),
            ("http://127.0.0.1:9/keys", true),
            ("http://[::1]/keys", true),
            ("http://localhost/keys", true),
            ("http://idp.example/keys", false),
            ("ftp://idp.example/keys", false),
        ] {
            assert_eq!(may_be_fetched(&url.parse().unwrap()), may, "{url}");
        }
    }
}
