//! Where in a file something stands: the line and column, and the path of keys that leads there.

use std::fmt;

/// A position in a file. Lines and columns count from one; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The position of a byte offset in `text`.
    pub(super) fn of_offset(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count());
        Self { line: before.matches('\n').count() + 1, column: column + 1 }
    }
}

/// A value's place: its position and its key path, `mcpServers.search.timeout`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The position; absent for a problem with the file as a whole.
    pub position: Option<Position>,
    /// The key path; empty for the file as a whole.
    pub path: String,
}

impl Place {
    /// The file as a whole.
    pub(super) fn file() -> Self {
        Self { position: None, path: String::new() }
    }

    /// The top of a file's value tree.
    pub(super) fn root(position: Position) -> Self {
        Self { position: Some(position), path: String::new() }
    }

    /// The place of `key` in the mapping at this place.
    pub(super) fn key(&self, key: &str, position: Position) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { position: Some(position), path }
    }

    /// The place of the element `index` in the list at this place.
    pub(super) fn index(&self, index: usize, position: Position) -> Self {
        Self { position: Some(position), path: format!("{}[{index}]", self.path) }
    }
}

/// A value and where it was written.
#[derive(Clone)]
pub(super) struct Found<T> {
    /// The value.
    pub(super) value: T,
    /// Where it was written.
    pub(super) place: Place,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_counts_lines_and_characters() {
        let text = "a: 1\nü: x";
        assert_eq!(Position::of_offset(text, 0), Position { line: 1, column: 1 });
        assert_eq!(Position::of_offset(text, 9), Position { line: 2, column: 4 });
        assert_eq!(Position::of_offset(text, 999), Position { line: 2, column: 5 });
    }
}
