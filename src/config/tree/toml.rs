//! TOML to the tree. The parser finds all syntax errors in one pass, so all of them are reported.

use toml::de::{DeTable, DeValue, Error};

use super::{Entry, Node, Scalar, Style, Value, read::syntax};
use crate::config::{place::Position, problem::Problem};

pub(super) fn read(text: &str) -> Result<Node, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(Node::map(entries(text, table.get_ref()), Position::START));
    }
    let problem = |error: &Error| {
        let offset = error.span().map_or(0, |span| span.start);
        syntax(Position::of_offset(text, offset), error.message())
    };
    Err(errors.iter().map(problem).collect())
}

fn entries(text: &str, table: &DeTable<'_>) -> Vec<Entry> {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| Entry {
        key: <std::borrow::Cow<'_, str>>::clone(key.get_ref()).into_owned(),
        at: Position::of_offset(text, key.span().start),
        value: node(text, value),
    };
    table.iter().map(entry).collect()
}

fn node(text: &str, spanned: &toml::Spanned<DeValue<'_>>) -> Node {
    let plain = |text: String| Value::Scalar(Scalar { text, style: Style::Plain });
    let value = match spanned.get_ref() {
        DeValue::String(text) => Value::Scalar(Scalar { text: text.to_string(), style: Style::Quoted }),
        DeValue::Integer(number) => plain(number.to_string()),
        DeValue::Float(number) => plain(number.to_string()),
        DeValue::Boolean(truth) => plain(truth.to_string()),
        DeValue::Datetime(time) => plain(time.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(text, item)).collect()),
        DeValue::Table(table) => Value::Map(entries(text, table)),
    };
    Node { value, at: Position::of_offset(text, spanned.span().start) }
}
