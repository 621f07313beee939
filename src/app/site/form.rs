//! Fields of a query or form.
//!
//! Source: WHATWG URL, application/x-www-form-urlencoded parsing.

use crate::redact::Redacted;

/// Fields at the most: pages have three.
const MAX_FIELDS: usize = 32;

/// The fields, which may be secrets.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, Redacted<String>)>);

impl Fields {
    pub(super) fn read(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(MAX_FIELDS);
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decoded(name), Redacted::new(decoded(value))))
                .collect(),
        )
    }

    /// The value of a field that is there once: of two it is not known which one is meant.
    pub(super) fn one(&self, name: &str) -> Option<&Redacted<String>> {
        let mut found = self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value);
        found.next().filter(|_| found.next().is_none())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.one(name).map(|value| value.expose().clone())
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.split_at_checked(2).filter(|_| first == b'%');
        let escaped = digits.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        match escaped {
            Some((byte, after)) => {
                bytes.push(byte);
                rest = after;
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_browsers_write() {
        let fields = Fields::read("a=b%26c+d%C3%A4&empty=&twice=1&twice=2&bad=%zz%+1");
        assert_eq!(fields.text("a").as_deref(), Some("b&c dä"));
        assert_eq!(fields.text("empty").as_deref(), Some(""));
        assert_eq!(fields.text("twice"), None);
        assert_eq!(fields.text("bad").as_deref(), Some("%zz% 1"));
    }
}
