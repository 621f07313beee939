//! One strict pass over JSON text: syntax, depth, and where the members of the outermost object lie.
//!
//! It follows RFC 8259 to the letter (no leading zeros, no raw control characters in strings, no trailing commas) and keeps nothing
//! but offsets. The grammar is held to `serde_json`'s by a property test and a fuzz target.

mod plain;

use std::ops::Range;

pub(super) use plain::plain;

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

/// Where one member lies.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Its name, with the quotes.
    pub(super) name: Range<usize>,
    /// Whether the name is written with escapes.
    pub(super) is_escaped: bool,
    /// Its value.
    pub(super) value: Range<usize>,
}

/// A cursor over JSON text.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    depth_left: usize,
    max_depth: usize,
    trust: Trust,
    /// The newest string is written with escapes.
    is_escaped: bool,
}

/// What is known of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Nothing yet.
    None,
    /// It is valid JSON: what lies inside its values was looked at before.
    Valid,
}

/// Why it does not go on where the cursor stands. So small that it costs nothing to ask after each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The byte there fits nothing, or there is none.
    Unexpected,
    TooDeep,
    NotAnObject,
}

impl<'a> Scanner<'a> {
    /// A cursor over a text of which nothing is known.
    pub(super) fn new(text: &'a [u8], max_depth: usize) -> Self {
        Self { text, at: 0, depth_left: max_depth, max_depth, trust: Trust::None, is_escaped: false }
    }

    /// A cursor over a text that was found to be valid.
    pub(super) fn over_valid(text: &'a [u8]) -> Self {
        Self { trust: Trust::Valid, ..Self::new(text, usize::MAX) }
    }

    /// One value and nothing after it but white space; answers where it lies.
    pub(super) fn document(mut self) -> Result<Range<usize>, SyntaxError> {
        let start = self.value();
        let end = self.at;
        let start = start.and_then(|start| self.end().map(|()| start));
        Ok(start.map_err(|stop| self.error(stop))?..end)
    }

    /// One object and nothing after it; `visit` sees each of its members in order.
    #[inline]
    pub(super) fn members(mut self, mut visit: impl FnMut(Span)) -> Result<(), SyntaxError> {
        self.space();
        let read = if self.peek() == Some(b'{') { self.object(&mut visit) } else { Err(Stop::NotAnObject) };
        read.and_then(|()| self.end()).map_err(|stop| self.error(stop))
    }

    /// Whether one of the members of a valid object has this name, as it is written with its quotes. Looks no further than that one.
    pub(super) fn has_member(mut self, name: &[u8]) -> bool {
        self.space();
        self.deeper().is_ok() && self.expect(b'{').is_ok() && self.finds(name).unwrap_or_default()
    }

    fn finds(&mut self, name: &[u8]) -> Result<bool, Stop> {
        loop {
            self.space();
            let start = self.at;
            self.string()?;
            if self.text.get(start..self.at) == Some(name) {
                return Ok(true);
            }
            self.space();
            self.expect(b':')?;
            self.value()?;
            if self.closes(b'}')? {
                return Ok(false);
            }
        }
    }

    /// One array and nothing after it; `visit` sees the offsets of each of its elements in order.
    pub(super) fn elements(mut self, mut visit: impl FnMut(Range<usize>)) -> Result<(), SyntaxError> {
        self.space();
        self.array(&mut visit).and_then(|()| self.end()).map_err(|stop| self.error(stop))
    }

    #[cold]
    fn error(&self, stop: Stop) -> SyntaxError {
        match stop {
            Stop::Unexpected if self.at < self.text.len() => SyntaxError::Unexpected(self.at),
            Stop::Unexpected => SyntaxError::Truncated,
            Stop::TooDeep => SyntaxError::TooDeep(self.max_depth),
            Stop::NotAnObject => SyntaxError::NotAnObject,
        }
    }

    fn end(&mut self) -> Result<(), Stop> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(Stop::Unexpected) }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(Stop::Unexpected)
        }
    }

    /// Where the value begins; it ends where the cursor is then.
    fn value(&mut self) -> Result<usize, Stop> {
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
            _ => return Err(Stop::Unexpected),
        }
        Ok(start)
    }

    /// To the end of a valid object or array: brackets are counted, and those in strings are not.
    fn pass_over(&mut self) -> Result<(), Stop> {
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
                None => return Err(Stop::Unexpected),
            }
            self.at += 1;
            if open == 0 {
                return Ok(());
            }
        }
    }

    fn deeper(&mut self) -> Result<(), Stop> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(Stop::TooDeep)?;
        Ok(())
    }

    #[inline]
    fn object(&mut self, visit: &mut impl FnMut(Span)) -> Result<(), Stop> {
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
            self.is_escaped = false;
            let name = self.at;
            self.string()?;
            let (name, is_escaped) = (name..self.at, self.is_escaped);
            self.space();
            self.expect(b':')?;
            let value = self.value()?..self.at;
            visit(Span { name, is_escaped, value });
            if self.closes(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, visit: &mut impl FnMut(Range<usize>)) -> Result<(), Stop> {
        self.deeper()?;
        self.expect(b'[')?;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth_left += 1;
            return Ok(());
        }
        loop {
            let value = self.value()?..self.at;
            visit(value);
            if self.closes(b']')? {
                return Ok(());
            }
        }
    }

    /// After an element: a comma (more follows) or the closing bracket.
    #[inline]
    fn closes(&mut self, bracket: u8) -> Result<bool, Stop> {
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
            _ => Err(Stop::Unexpected),
        }
    }

    #[inline]
    fn string(&mut self) -> Result<(), Stop> {
        self.expect(b'"')?;
        self.at += plain(self.text.get(self.at..).unwrap_or_default());
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(());
        }
        self.rest_of_string()
    }

    /// From the first byte on that is not plain. Apart, so that it costs nothing where it is not needed.
    #[cold]
    fn rest_of_string(&mut self) -> Result<(), Stop> {
        self.is_escaped = true;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(Stop::Unexpected),
            }
            self.at += plain(self.text.get(self.at..).unwrap_or_default());
        }
    }

    fn escape(&mut self) -> Result<(), Stop> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(Stop::Unexpected);
                    }
                    self.at += 1;
                }
            }
            _ => return Err(Stop::Unexpected),
        }
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Stop> {
        word.iter().try_for_each(|byte| self.expect(*byte))
    }

    fn number(&mut self) -> Result<(), Stop> {
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

    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(Stop::Unexpected) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
