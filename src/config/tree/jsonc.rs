//! JSON with comments, made readable for the YAML reader: JSON is a subset of YAML, which also allows the trailing comma.
//!
//! Comments and tabs become spaces, so that every position stays right. This is not a validator: what is wrong with the rest is
//! said by the YAML reader.

/// `text` with every comment and every tab outside a string replaced by as many spaces.
pub(super) fn blank_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, keep) = token(rest, first);
        let (piece, tail) = rest.split_at(length);
        match keep {
            Keep::Text => out.push_str(piece),
            Keep::LineBreaks => out.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
        }
        rest = tail;
    }
    out
}

enum Keep {
    Text,
    LineBreaks,
}

/// The length in bytes of the token that starts `rest`, and whether it stays.
fn token(rest: &str, first: char) -> (usize, Keep) {
    match first {
        '"' => (string_length(rest), Keep::Text),
        '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), Keep::LineBreaks),
        '/' if rest.starts_with("/*") => (rest.find("*/").map_or(rest.len(), |at| at + 2), Keep::LineBreaks),
        '\t' => (1, Keep::LineBreaks),
        other => (other.len_utf8(), Keep::Text),
    }
}

/// The length of the string literal that starts `rest`, its quotes included.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_spaces_and_strings_stay() {
        let text = "{ // ü\n\t\"a\": \"//x\\\"/*\", /* b\n */ \"c\": 1, }";
        assert_eq!(blank_comments(text), "{     \n \"a\": \"//x\\\"/*\",     \n    \"c\": 1, }");
    }

    #[test]
    fn an_open_comment_or_string_ends_with_the_text() {
        assert_eq!(blank_comments("1 /* x"), "1     ");
        assert_eq!(blank_comments("\"x\\"), "\"x\\");
    }
}
