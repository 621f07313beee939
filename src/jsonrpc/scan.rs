//! One strict pass over JSON text: syntax, depth, and where the members of the outermost object lie.
//!
//! It follows RFC 8259 to the letter (no leading zeros, no raw control characters in strings, no trailing commas) and keeps nothing
//! but offsets. The grammar is held to `serde_json`'s by a property test and a fuzz target.

use std::ops::Range;

/// Nesting that is accepted where nobody says otherwise; `serde_json` has the same limit, and no real payload comes near it.
pub const MAX_DEPTH: usize = 128;

/// Why a text is not acceptable JSON. Offsets are bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// Not JSON at this byte.
    #[error("not JSON at byte {0}")]
    Unexpected(usize),
    /// The text ends too early.
    #[error("the JSON text ends too early")]
    Truncated,
    /// Nested deeper than allowed.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// A member name occurs twice in an object that the gateway reads.
    #[error("a member name occurs twice, the second time at byte {0}")]
    Duplicate(usize),
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Something other than an object where one is needed.
    #[error("not a JSON object")]
    NotAnObject,
}

/// Offsets of one member: the name with its quotes, and the value.
pub(super) type Span = (Range<usize>, Range<usize>);

/// A cursor over JSON text.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    depth_left: usize,
    max_depth: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8], max_depth: usize) -> Self {
        Self { text, at: 0, depth_left: max_depth, max_depth }
    }

    /// One value and nothing after it but white space; answers where it lies.
    pub(super) fn document(mut self) -> Result<Range<usize>, SyntaxError> {
        let range = self.value()?;
        self.end()?;
        Ok(range)
    }

    /// One object and nothing after it; `visit` sees the offsets of each of its members in order.
    pub(super) fn members(mut self, mut visit: impl FnMut(Span)) -> Result<(), SyntaxError> {
        self.space();
        if self.peek() != Some(b'{') {
            return Err(SyntaxError::NotAnObject);
        }
        self.object(&mut visit)?;
        self.end()
    }

    /// One array and nothing after it; `visit` sees the offsets of each of its elements in order.
    pub(super) fn elements(mut self, mut visit: impl FnMut(Range<usize>)) -> Result<(), SyntaxError> {
        self.space();
        self.array(&mut visit)?;
        self.end()
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(SyntaxError::Unexpected(self.at)) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn unexpected<T>(&self) -> Result<T, SyntaxError> {
        Err(if self.at < self.text.len() { SyntaxError::Unexpected(self.at) } else { SyntaxError::Truncated })
    }

    fn expect(&mut self, byte: u8) -> Result<(), SyntaxError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            self.unexpected()
        }
    }

    fn value(&mut self) -> Result<Range<usize>, SyntaxError> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.object(&mut |_| ())?,
            Some(b'[') => self.array(&mut |_| ())?,
            Some(b'"') => self.string()?,
            Some(b't') => self.literal(b"true")?,
            Some(b'f') => self.literal(b"false")?,
            Some(b'n') => self.literal(b"null")?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return self.unexpected(),
        }
        Ok(start..self.at)
    }

    fn deeper(&mut self) -> Result<(), SyntaxError> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(SyntaxError::TooDeep(self.max_depth))?;
        Ok(())
    }

    fn object(&mut self, visit: &mut dyn FnMut(Span)) -> Result<(), SyntaxError> {
        self.deeper()?;
        self.expect(b'{')?;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth_left += 1;
            return Ok(());
        }
        loop {
            self.space();
            let name_start = self.at;
            self.string()?;
            let name = name_start..self.at;
            self.space();
            self.expect(b':')?;
            let value = self.value()?;
            visit((name, value));
            if self.closes(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, visit: &mut dyn FnMut(Range<usize>)) -> Result<(), SyntaxError> {
        self.deeper()?;
        self.expect(b'[')?;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth_left += 1;
            return Ok(());
        }
        loop {
            let value = self.value()?;
            visit(value);
            if self.closes(b']')? {
                return Ok(());
            }
        }
    }

    /// After an element: a comma (more follows) or the closing bracket.
    fn closes(&mut self, bracket: u8) -> Result<bool, SyntaxError> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(byte) if byte == bracket => {
                self.at += 1;
                self.depth_left += 1;
                Ok(true)
            }
            _ => self.unexpected(),
        }
    }

    fn string(&mut self) -> Result<(), SyntaxError> {
        self.expect(b'"')?;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest
                .iter()
                .position(|byte| SPECIAL.get(usize::from(*byte)) != Some(&false))
                .ok_or(SyntaxError::Truncated)?;
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return self.unexpected(),
            }
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.unexpected();
                    }
                    self.at += 1;
                }
            }
            _ => return self.unexpected(),
        }
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), SyntaxError> {
        word.iter().try_for_each(|byte| self.expect(*byte))
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.unexpected() } else { Ok(()) }
    }
}

/// Bytes that end a run of plain string bytes: the quote, the backslash and control characters.
#[expect(
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "evaluated while compiling, where a mistake is an error"
)]
static SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(text: &str) -> bool {
        Scanner::new(text.as_bytes(), MAX_DEPTH).document().is_ok()
    }

    #[test]
    fn agrees_with_serde_json_on_the_corners_of_the_grammar() {
        let corners = [
            "0",
            "-0",
            "01",
            "1.",
            "1.0",
            ".5",
            "1e",
            "1e+9",
            "-",
            "+1",
            "\"\"",
            "\"\\u12\"",
            "\"\\u1234\"",
            "\"\\x\"",
            "\"a\nb\"",
            "[]",
            "[1,]",
            "[,1]",
            "{}",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "nul",
            "null",
            "true false",
            " [ 1 , 2 ] ",
            "",
            " ",
            "\u{7f}",
            "\"\u{7f}\"",
            "[1 2]",
        ];
        for text in corners {
            let reference = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
            assert_eq!(accepts(text), reference, "{text:?}");
        }
    }

    #[test]
    fn counts_depth_at_the_limit_and_one_past_it() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Scanner::new(nested(4).as_bytes(), 4).document().is_ok());
        assert_eq!(Scanner::new(nested(5).as_bytes(), 4).document(), Err(SyntaxError::TooDeep(4)));
        assert!(Scanner::new(b"[[],[],[],{},{}]", 2).document().is_ok(), "siblings are not deeper");
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_any_text(text in "[\\[\\]{}:,\"\\\\0-9eE+. a-fnrtuls\n-]{0,24}") {
            let reference = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(accepts(&text), reference, "{:?}", text);
        }
    }
}
