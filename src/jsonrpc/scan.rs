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
    /// An object of more than 4 GiB.
    #[error("longer than 4 GiB")]
    TooLong,
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
    trust: Trust,
}

/// What is known of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Nothing yet.
    None,
    /// It is valid JSON: what lies inside its values was looked at before.
    Valid,
}

impl<'a> Scanner<'a> {
    /// A cursor over a text of which nothing is known.
    pub(super) fn new(text: &'a [u8], max_depth: usize) -> Self {
        Self { text, at: 0, depth_left: max_depth, max_depth, trust: Trust::None }
    }

    /// A cursor over a text that was found to be valid.
    pub(super) fn over_valid(text: &'a [u8]) -> Self {
        Self { trust: Trust::Valid, ..Self::new(text, usize::MAX) }
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
            Some(b'{' | b'[') if self.trust == Trust::Valid => self.pass_over()?,
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

    /// To the end of a valid object or array: brackets are counted, and those in strings are not.
    fn pass_over(&mut self) -> Result<(), SyntaxError> {
        let mut open = 0_usize;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'{' | b'[') => open += 1,
                Some(b'}' | b']') => open = open.saturating_sub(1),
                Some(_) => (),
                None => return Err(SyntaxError::Truncated),
            }
            self.at += 1;
            if open == 0 {
                return Ok(());
            }
        }
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
            self.at += plain(self.text.get(self.at..).unwrap_or_default());
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

/// How many bytes come before one that ends a run of plain string bytes: the quote, the backslash or a control character.
///
/// Eight at a time: most of a message is names and texts, and a byte at a time this was a tenth of a call's cost.
fn plain(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some((eight, later)) = rest.split_first_chunk() {
        let special = specials(u64::from_le_bytes(*eight));
        if special != 0 {
            // The lowest mark is the first of these bytes.
            return text.len() - rest.len() + usize::try_from(special.trailing_zeros() / 8).unwrap_or_default();
        }
        rest = later;
    }
    let last = rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'));
    text.len() - rest.len() + last.unwrap_or(rest.len())
}

/// The high bit of each byte that is special. Above the lowest one others may be marked, too: a byte borrows from the next one.
///
/// Source: Anderson, Bit Twiddling Hacks, "Determine if a word has a zero byte" and "… a byte less than n".
const fn specials(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const QUOTES: u64 = 0x2222_2222_2222_2222;
    const BACKSLASHES: u64 = 0x5c5c_5c5c_5c5c_5c5c;
    const SPACES: u64 = 0x2020_2020_2020_2020;
    let (quotes, backslashes) = (word ^ QUOTES, word ^ BACKSLASHES);
    let found = (quotes.wrapping_sub(ONES) & !quotes) | (backslashes.wrapping_sub(ONES) & !backslashes);
    (found | (word.wrapping_sub(SPACES) & !word)) & HIGH
}

#[cfg(test)]
mod tests;
