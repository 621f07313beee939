//! The token of a request: one `Authorization: Bearer` header, and nowhere else.
//!
//! Source: RFC 6750 sections 2.1, 2.3 and 3.1; MCP 2026-07-28 basic/authorization (no tokens in the query).

use http::{HeaderMap, header::AUTHORIZATION};

/// A JWT with many groups has a few kilobytes; all headers together are limited elsewhere.
const MAX_TOKEN_BYTES: usize = 16 << 10;

/// A request whose credentials cannot be read in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More than one `Authorization`.
    #[error("Authorization is given more than once")]
    Many,
    /// Another scheme, or not the syntax of a token.
    #[error("Authorization must be `Bearer` and a token")]
    Syntax,
    /// A token in the address, where logs and proxies see it.
    #[error("A token does not belong into the address: send it as Authorization: Bearer")]
    InQuery,
}

/// The token, if there is one.
pub(super) fn token<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Result<Option<&'a str>, Malformed> {
    if query.is_some_and(names_a_token) {
        return Err(Malformed::InQuery);
    }
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Malformed::Many);
    }
    let text = value.to_str().map_err(|_| Malformed::Syntax)?;
    let (scheme, token) = text.split_once(' ').ok_or(Malformed::Syntax)?;
    let token = token.trim_matches(' ');
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && is_token(token);
    if is_bearer { Ok(Some(token)) } else { Err(Malformed::Syntax) }
}

fn names_a_token(query: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some("access_token"))
}

/// `b64token` of RFC 6750 section 2.1.
fn is_token(token: &str) -> bool {
    let is_plain =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    let body = token.trim_end_matches('=');
    !body.is_empty() && token.len() <= MAX_TOKEN_BYTES && body.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&'static str], query: Option<&str>) -> Result<Option<String>, Malformed> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        token(&headers, query).map(|token| token.map(str::to_owned))
    }

    #[test]
    fn reads_one_bearer_token() {
        assert_eq!(read(&["Bearer a.b-c_d~e+/="], None), Ok(Some("a.b-c_d~e+/=".to_owned())));
        assert_eq!(read(&["bearer abc"], Some("session_id=1")), Ok(Some("abc".to_owned())));
        assert_eq!(read(&[], None), Ok(None));
    }

    #[test]
    fn refuses_what_could_be_read_in_two_ways() {
        assert_eq!(read(&["Bearer a", "Bearer b"], None), Err(Malformed::Many));
        assert_eq!(read(&["Bearer a"], Some("x=1&access_token=b")), Err(Malformed::InQuery));
        for value in ["Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer ="] {
            assert_eq!(read(&[value], None), Err(Malformed::Syntax), "{value}");
        }
    }
}
