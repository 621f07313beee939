//! What a server says with a 401 or 403: which scopes it wants, and where its metadata is.
//!
//! Sources: RFC 9110 section 11.6.1 (several challenges, quoted strings), RFC 6750 section 3, RFC 9728 section 5.1.

use http::{HeaderMap, header::WWW_AUTHENTICATE};

/// Parameters of one header at the most.
const MAX_PARAMETERS: usize = 32;

/// The `Bearer` challenge of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::upstream::credential) struct Challenge {
    pub(in crate::upstream::credential) error: Option<String>,
    pub(in crate::upstream::credential) scopes: Vec<String>,
    pub(in crate::upstream::credential) resource_metadata: Option<String>,
}

impl Challenge {
    /// The first one for bearer tokens; empty where there is none.
    pub(in crate::upstream::credential) fn read(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        values.find_map(Self::parse).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut found: Option<Self> = None;
        let mut rest = text;
        for _ in 0..MAX_PARAMETERS {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (word, after) = rest.split_at(rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len()));
            let after = after.trim_start_matches([' ', '\t']);
            match after.strip_prefix('=') {
                // `name = value` belongs to the scheme before it.
                Some(value) => {
                    let (value, after) = value_of(value.trim_start_matches([' ', '\t']));
                    if let Some(challenge) = &mut found {
                        challenge.set(word, value);
                    }
                    rest = after;
                }
                // A word by itself begins another challenge.
                None if found.is_some() => break,
                None => {
                    found = word.eq_ignore_ascii_case("bearer").then(Self::default);
                    rest = after;
                }
            }
        }
        found
    }

    fn set(&mut self, name: &str, value: String) {
        match name.to_ascii_lowercase().as_str() {
            "error" => self.error = Some(value),
            "scope" => self.scopes = value.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
            "resource_metadata" => self.resource_metadata = Some(value),
            _ => (),
        }
    }
}

/// A token or quoted string, and what follows.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, after) = text.split_at(text.find([' ', '\t', ',']).unwrap_or(text.len()));
        return (value.to_owned(), after);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Challenge {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, http::HeaderValue::from_static(value));
        }
        Challenge::read(&headers)
    }

    #[test]
    fn finds_the_bearer_challenge_among_others() {
        let expected = Challenge {
            error: Some("insufficient_scope".to_owned()),
            scopes: vec!["a".to_owned(), "b,c".to_owned()],
            resource_metadata: Some("https://x.example/m?a=\"1\"".to_owned()),
        };
        let bearer =
            r#"Bearer error=insufficient_scope, scope="a b,c" ,resource_metadata = "https://x.example/m?a=\"1\"""#;
        assert_eq!(read(&[bearer]), expected);
        assert_eq!(read(&["Basic realm=\"Bearer error=x\"", bearer]), expected);
        let before = r#"Digest realm="x", Bearer error=insufficient_scope, scope="a b,c", resource_metadata="https://x.example/m?a=\"1\"", Basic realm="y", error=no"#;
        assert_eq!(read(&[before]), expected);
        for none in ["", "Basic realm=x", "=,=\"", "Bearer"] {
            assert_eq!(read(&[none]), Challenge::default(), "{none}");
        }
    }
}
