//! Pages, made in one place: escaped, without scripts, in no frame, kept by nobody.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

/// What every page says to the browser.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    // Not `no-referrer`: with that a browser's own forms come with `Origin: null`.
    (header::REFERRER_POLICY, "same-origin"),
];

/// Text as it may stand in a page.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A page; `body` is HTML.
pub(super) fn page(status: StatusCode, title: &str, body: &str) -> Response<Bytes> {
    let title = escaped(title);
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<h1>{title}</h1>\n{body}\n</html>\n"
    );
    with_headers(Response::new(Bytes::from(text)), status)
}

/// A page of one sentence.
pub(super) fn sentence(status: StatusCode, title: &str, sentence: &str) -> Response<Bytes> {
    page(status, title, &format!("<p>{}</p>", escaped(sentence)))
}

/// To another address.
pub(super) fn elsewhere(address: &str) -> Option<Response<Bytes>> {
    let mut response = with_headers(Response::new(Bytes::new()), StatusCode::SEE_OTHER);
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(address).ok()?);
    Some(response)
}

fn with_headers(mut response: Response<Bytes>, status: StatusCode) -> Response<Bytes> {
    *response.status_mut() = status;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_page_becomes_markup() {
        let response = sentence(StatusCode::OK, "<a>", "\"'&<script>");
        let text = std::str::from_utf8(response.body()).unwrap();
        assert!(text.contains("&lt;a&gt;") && text.contains("&quot;&#39;&amp;&lt;script&gt;"), "{text}");
        assert!(!text.contains("<script"));
    }
}
