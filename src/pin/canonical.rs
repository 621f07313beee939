//! One text for each JSON value: members sorted, texts written in one way, no space between. Numbers stay as they were written.

use super::kind as pinned;
use crate::jsonrpc::{Kind, Raw};

/// How a value is laid out.
#[derive(Clone, Copy)]
enum Layout {
    /// On one line.
    Compact,
    /// A member or element a line, so many steps to the right.
    Lines(usize),
}

/// The definition of something as it was listed, in canonical form.
pub(super) fn definition(kind: pinned::Kind, entry: &Raw) -> Raw {
    let Ok(object) = entry.object() else { return compact(entry) };
    let members = kind.definition().iter().filter_map(|name| Some((*name, object.get(name)?)));
    let mut out = String::new();
    write_members(members.collect(), Layout::Compact, &mut out);
    Raw::trusted(out.into())
}

/// A value in canonical form.
pub(super) fn compact(value: &Raw) -> Raw {
    let mut out = String::new();
    write(value, Layout::Compact, &mut out);
    Raw::trusted(out.into())
}

/// The same for people, so many steps to the right.
pub(super) fn lines(value: &Raw, steps: usize) -> String {
    let mut out = String::new();
    write(value, Layout::Lines(steps), &mut out);
    out
}

fn write(value: &Raw, layout: Layout, out: &mut String) {
    match value.kind() {
        Kind::Object => match value.object() {
            Ok(object) => {
                let mut members: Vec<(&str, Raw)> = object.iter().collect();
                // RFC 8785 section 3.2.3: by UTF-16 code units.
                members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
                write_members(members, layout, out);
            }
            // A name that comes twice has no one reading: only the same bytes are the same.
            Err(_) => out.push_str(value.as_str()),
        },
        Kind::Array => {
            let elements = value.elements().unwrap_or_default();
            enclosed(('[', ']'), elements, layout, out, |element, layout, out| write(&element, layout, out));
        }
        Kind::String => match value.text() {
            Some(text) => write_text(&text, out),
            None => out.push_str(value.as_str()),
        },
        _ => out.push_str(value.as_str().trim()),
    }
}

fn write_members(members: Vec<(&str, Raw)>, layout: Layout, out: &mut String) {
    enclosed(('{', '}'), members, layout, out, |(name, value), layout, out| {
        write_text(name, out);
        out.push_str(if matches!(layout, Layout::Compact) { ":" } else { ": " });
        write(&value, layout, out);
    });
}

fn enclosed<T>(
    (open, close): (char, char),
    items: Vec<T>,
    layout: Layout,
    out: &mut String,
    mut item: impl FnMut(T, Layout, &mut String),
) {
    let (inner, is_empty) = (layout.inner(), items.is_empty());
    out.push(open);
    for (place, each) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        inner.begin_line(out);
        item(each, inner, out);
    }
    if !is_empty {
        layout.begin_line(out);
    }
    out.push(close);
}

impl Layout {
    const fn inner(self) -> Self {
        match self {
            Self::Compact => Self::Compact,
            Self::Lines(steps) => Self::Lines(steps + 1),
        }
    }

    fn begin_line(self, out: &mut String) {
        if let Self::Lines(steps) = self {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", steps));
        }
    }
}

/// A text with the fewest escapes, as RFC 8785 section 3.2.2.2 has it.
fn write_text(text: &str, out: &mut String) {
    // A text always has a JSON form.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_text_however_it_was_written() {
        let written = [
            r#"{"b":[1,2.50, {}],"a":"\u00e9\n/","\u20ac":null}"#,
            "{ \"\u{20ac}\" : null,\n \"a\":\"é\\n\\/\", \"b\" : [ 1 , 2.50,{ } ] }",
        ];
        for text in written {
            let value = Raw::parse(text.to_owned().into(), 9).unwrap();
            assert_eq!(compact(&value).as_str(), "{\"a\":\"é\\n/\",\"b\":[1,2.50,{}],\"€\":null}");
        }
        // By UTF-16 code units a character beyond the first plane comes before U+FB33 (RFC 8785, section 3.2.3).
        let value = Raw::literal("{\"\u{fb33}\":1,\"\u{1f600}\":2,\"1\":3}");
        assert_eq!(compact(&value).as_str(), "{\"1\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }

    #[test]
    fn numbers_stay_as_they_were_written() {
        assert_ne!(compact(&Raw::literal("1.0")), compact(&Raw::literal("1")));
        assert_eq!(compact(&Raw::literal("123456789012345678901234567890")).as_str(), "123456789012345678901234567890");
    }

    #[test]
    fn a_definition_is_what_is_read_of_a_tool_and_nothing_else() {
        let tool =
            Raw::literal(r#"{"_meta":{"n":1},"name":"x","icons":[],"inputSchema":{"type":"object"},"title":"X"}"#);
        assert_eq!(
            definition(pinned::Kind::Tool, &tool).as_str(),
            r#"{"inputSchema":{"type":"object"},"name":"x","title":"X"}"#
        );
    }

    #[test]
    fn lines_are_the_same_value() {
        let value = Raw::literal(r#"{"a":[],"b":[1,{"c":"d"}],"e":{}}"#);
        let text = lines(&value, 0);
        assert_eq!(text, "{\n  \"a\": [],\n  \"b\": [\n    1,\n    {\n      \"c\": \"d\"\n    }\n  ],\n  \"e\": {}\n}");
        assert_eq!(compact(&Raw::parse(text.into(), 9).unwrap()), value);
    }
}
