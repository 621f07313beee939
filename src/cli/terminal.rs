//! What people see: styles, widths, tables, and text from outside made harmless.

use std::{
    borrow::Cow,
    env,
    io::{IsTerminal, stderr, stdin, stdout},
};

use anstyle::{AnsiColor, Style};
use comfy_table::{ColumnConstraint, ContentArrangement, Table};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(super) const HINT: Style = AnsiColor::Cyan.on_default();

/// Narrower than this, wrapping makes a table harder to read than a terminal's own line breaks.
const LEAST_WIDTH: u16 = 40;

/// Whether a person reads stdout.
pub(super) fn is_read_by_a_person() -> bool {
    stdout().is_terminal()
}

/// Whether somebody can be asked: questions go to stderr, answers come from stdin.
pub(super) fn can_ask() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// The columns of the terminal that stdout goes to.
fn width() -> Option<u16> {
    if !is_read_by_a_person() {
        return None;
    }
    let said = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    said.or_else(|| Some(rustix::termios::tcgetwinsize(stdout()).ok()?.ws_col))
        .filter(|columns| *columns >= LEAST_WIDTH)
}

/// Rows under headings, aligned; as wide as the terminal, or as wide as needed where there is none. The first column is never wrapped.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(headings);
    table.add_rows(rows);
    if let Some(width) = width() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let Some(first) = table.column_mut(0) {
        first.set_constraint(ColumnConstraint::ContentWidth);
    }
    let mut lines = table.lines();
    let heading = lines.next().unwrap_or_default();
    let rest = lines.map(|line| format!("{}\n", line.trim_end()));
    format!("{BOLD}{}{BOLD:#}\n{}", heading.trim_end(), rest.collect::<String>())
}

/// Text from outside without the control characters that a terminal obeys.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| if obeyed(c) { c.escape_default().collect() } else { String::from(c) };
    Cow::Owned(text.chars().map(show).collect())
}

/// The same on one line.
pub(super) fn plain_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A size for people.
pub(super) fn size(bytes: usize) -> String {
    let mut whole = bytes;
    for unit in ["bytes", "KiB", "MiB"] {
        if whole < 1024 {
            return format!("{whole} {unit}");
        }
        whole /= 1024;
    }
    format!("{whole} GiB")
}

/// `1 tool`, `2 tools`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_move_the_cursor() {
        assert_eq!(plain("a\x1b[2Jb\r\n\tc\u{9b}"), "a\\u{1b}[2Jb\\r\n\tc\\u{9b}");
        assert_eq!(plain("grün"), "grün");
    }

    #[test]
    fn columns_stand_under_each_other_and_lines_end_where_their_text_ends() {
        let rows = [["a".to_owned(), "first".to_owned()], ["long-name".to_owned(), String::new()]];
        let text = anstream::adapter::strip_str(&table(["NAME", "WHAT"], rows)).to_string();
        assert_eq!(text, "NAME       WHAT\na          first\nlong-name\n");
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        assert_eq!([size(3), size(2048), size(5 << 20)], ["3 bytes", "2 KiB", "5 MiB"]);
    }
}
